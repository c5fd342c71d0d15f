import sys

from tillpane.cli import main

sys.exit(main())
