"""The numbers that the WebAssembly port's file system really raises: its own module has others."""

ENOENT = 44
EIO = 29
ENOSPC = 51
