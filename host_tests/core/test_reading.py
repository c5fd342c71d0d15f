"""From two rows of text to an amount: screens of real tills, the traps among them, and how numbers are written."""

from till.reading import CHARGE, IDLE, ITEM, RUNNING, UNCLEAR, VETO, read
from till.words import lists

WORDS = lists()


def seen(top, bottom="", currency="EUR", style="auto", lamp=0, words=WORDS):
    """(kind, amount, tag) of two rows, padded to 20 as a display holds them."""
    assert len(top) <= 20 and len(bottom) <= 20, (top, bottom)
    kind, amount, text = read(
        top + " " * (20 - len(top)), bottom + " " * (20 - len(bottom)), lamp, currency, words, style
    )
    return kind, amount, text if kind == CHARGE else ""


def charge(amount, *screen, **options):
    found = seen(*screen, **options)
    assert found == (CHARGE, amount, ""), (screen, found)


def running(amount, *screen, **options):
    found = seen(*screen, **options)
    assert found == (RUNNING, amount, ""), (screen, found)


def none(kind, *screen, **options):
    found = seen(*screen, **options)
    assert found == (kind, 0, ""), (screen, found)


def test_odoo_oca_14():
    none(ITEM, "Blue pen        -10%", "2 x 1.50        3.00")
    charge(1234, "Total          12.34")
    for word in ("To Pay", "Pagar", "A payer", "Da pagare"):
        charge(434, "Total          12.34", word + ": 4.34")
    for word in ("Returned", "Devuelto", "A rendre", "Reso"):
        none(VETO, "Total          12.34", word + ": 7.66")
    charge(1234, "Totale         12,34")


def test_odoo_oca_8():
    charge(1234, "TOTAL: ", "               12.34")
    none(ITEM, "Blue pen", "2 x 1.50        3.00")
    none(VETO, "Your Change:", "                7.66")
    none(VETO, "Cancel Payment", "Cash           20.00")


def test_odoo_driver():
    none(ITEM, "Cafe creme", "2x1,50$        3,00$")
    charge(1234, "Total:        12,34$")
    none(VETO, "Total:        12,34$", "Change:        7,66$")
    charge(434, "Total:        12,34$", "To Pay:        4,34$")


def test_unicenta_and_openbravo():
    none(ITEM, "Espresso doppi    x1", "      3.00      3.00")
    none(ITEM, "*Milk             x1", "                0.50")
    charge(1234, "Total:         12.34", "Thank You for your c")
    charge(1234, "Total.         12.34", "Thank you.")
    none(VETO, "Given:         20.00", "Change:         7.66")
    charge(1234, "Total:      12,34?$")  # a no-break space that its code page does not have
    charge(123450, "Total: 1?234,50??", style="1 234,56")


def test_sambapos_running_total_and_two_totals():
    running(1234, "1 Latte         3.00", "Total:         12.34")
    none(UNCLEAR, "Total          10.90", "Total           4.70")
    none(UNCLEAR, "Total           4.70", "Total           4.70")


def test_templates_that_merchants_write():
    none(ITEM, "Flat white      4.50")
    charge(1234, "AMOUNT DUE     12.34", "Pay by phone here")
    charge(1234, "Welcome to Moe's Bar", "TOTAL  NZD     12.34", currency="NZD")
    charge(1234, "TOTAL       NZ$12.34", currency="NZD")
    none(VETO, "CHANGE DUE      7.66")
    none(VETO, "TOTAL          12.34", "CASH           20.00")
    none(VETO, "REFUND", "TOTAL          12.34")
    none(IDLE, "WELCOME", "SMITH'S DAIRY")
    running(1234, "TOTAL          12.34", "CHEQUE         20.00")


def test_numeric_display_lamps():
    charge(1234, "12.34", lamp=2)
    charge(1234, "   12.34", lamp=2)
    none(ITEM, "12.34", lamp=1)
    none(VETO, "12.34", lamp=3)
    none(VETO, "12.34", lamp=4)
    none(VETO, "0.00", lamp=4)
    none(UNCLEAR, "12.34", lamp=0)
    none(UNCLEAR, "1234", lamp=0)
    none(UNCLEAR, "1234", lamp=2)
    none(UNCLEAR, "-12.34", lamp=2)
    none(UNCLEAR, "TOTAL 12.34", lamp=2)
    none(UNCLEAR, "12.34", "1.00", lamp=2)
    none(UNCLEAR, "12.34", "TOTAL", lamp=2)
    charge(1234, "", "12.34", lamp=2)
    none(IDLE, "0.00", lamp=0)
    none(IDLE, "0", lamp=0)
    none(IDLE, "", lamp=2)


def test_the_private_tag():
    assert seen("QR#1017", "12.34") == (CHARGE, 1234, "1017")
    assert seen("QR#7", "12.34") == (CHARGE, 1234, "7")
    assert seen("QR#A-17.b_2", "       EUR 1.234,50") == (CHARGE, 123450, "A-17.b_2")
    for top, bottom in (
        ("QR#", "12.34"),
        ("QR#10 17", "12.34"),
        ("QR#10*17", "12.34"),
        ("QR#1017", ""),
        ("QR#1017", "1234"),
        ("QR#1017", "12.34 1.00"),
        ("QR#1017", "TOTAL 12.34"),
        ("QR#1017", "-12.34"),
        ("AQR#1017", "12.34"),
        ("TOTAL 12.34", "QR#1017"),
    ):
        none(UNCLEAR, top, bottom)
    none(UNCLEAR, "QR#1017", "12.34", lamp=2)


def test_traps():
    none(IDLE, "23.11.2026     12:34")
    none(IDLE, "CALL 0800 123 456")
    none(IDLE, "OPEN 7.30 TO 17.30", currency="KWD")
    running(1234, "TOTAL          12.34", "CALL 0800 123 456")
    running(1234, "TOTAL          12.34", "12:34")
    none(UNCLEAR, "TOTAL     3    12.34")  # three items, or 3 12.34
    none(UNCLEAR, "TOTAL SAVINGS   3.00")
    none(UNCLEAR, "TOTAL GST       1.61")
    none(UNCLEAR, "TOTAL USD      12.34")  # another currency than this box charges
    none(UNCLEAR, "TOTAL (3)      12.34")
    none(UNCLEAR, "TOTAL")
    none(UNCLEAR, "12.34", "TOTAL")
    none(UNCLEAR, "TOTAL:", "2 x 1.50        3.00")
    none(UNCLEAR, "TOTAL:", "VISA PENDING   12.34")
    none(UNCLEAR, "TOTAL          12.34", "TO PAY")
    none(UNCLEAR, "TOTAL           4.34", "TO PAY         12.34")  # more left than the whole
    none(UNCLEAR, "TOTAL          12.3?", "TO PAY          4.34")
    none(UNCLEAR, "TOTAL     1.00 20.00", "TO PAY          4.34")
    charge(1234, "TOTAL          12.34", "TO PAY         12.34")
    none(UNCLEAR, "NOW TO PAY      4.34")
    none(UNCLEAR, "               12.34")
    none(ITEM, "               12.34", "Blue pen")
    none(VETO, "TOTAL           0.00")
    none(VETO, "TOTAL          12.34", "TO PAY          0.00")
    none(VETO, "BAR            20,00", "SUMME          12,34")
    charge(450, "SUMME           4,50", "SNACK BAR")


def test_subtotal_is_a_total_only_where_it_is_configured():
    none(ITEM, "SUBTOTAL       12.34")
    none(UNCLEAR, "SUB-TOTAL      12.34")
    own = lists(total="TOTAL|subtotal| SUB TOTAL |||")
    charge(1234, "SUBTOTAL       12.34", words=own)
    charge(1234, "SUB-TOTAL      12.34", words=own)
    none(UNCLEAR, "#SUB-TOTAL     12.34", words=own)
    none(ITEM, "SUMME          12,34", words=own)
    charge(1234, "L'IMPORTO:     12,34", words=lists(total="L IMPORTO"))
    none(IDLE, "0800 123 456", words=own)


def test_every_language():
    for word in (
        "TO PAY",
        "DUE",
        "HEI UTU",
        "A PAYER",
        "NET A PAYER",
        "ZU ZAHLEN",
        "DA PAGARE",
        "A PAGAR",
        "TOTAL A PAGAR",
    ):
        charge(434, "TOTAL 12,34", word + " 4,34")
    for word in ("TOTAL", "TAPEKE", "TAPEKE KATOA", "MONTANT TOTAL", "SUMME", "TOTALE", "IMPORTE TOTAL", "VALOR TOTAL"):
        charge(1234, word, "               12,34")
        charge(134, word + ": 1,34")
    for word in ("CHANGE", "TOENGA", "RENDU", "MONNAIE", "RUECKGELD", "RUCKGELD", "RESTO", "RESO", "CAMBIO", "TROCO"):
        none(VETO, "TOTAL 12,34", word + " 7,66")


def test_words_of_a_line_must_all_be_known():
    for top in ("TOTALS 12.34", "XTOTAL 12.34", "TOTAL X 12.34", "TOTAL 12.34 X", "TOTAL 12.34X", "NOT TOTAL 12.34"):
        found = seen(top)
        assert found[0] in (ITEM, UNCLEAR), (top, found)


def test_what_may_stand_around_the_amount():
    for row in (
        "TOTAL:12.34",
        "TOTAL : 12.34",
        "TOTAL. 12.34",
        "TOTAL$12.34",
        "TOTAL 12.34$",
        "Total 12.34 EUR",
        "12.34 TOTAL",
    ):
        charge(1234, row)
    for row in (
        "TOTAL -12.34",
        "TOTAL-12.34",
        "TOTAL 12.34-",
        "TOTAL (12.34)",
        "TOTAL +12.34",
        "TOTAL #12.34",
        "TOTAL *12.34",
        "TOTAL :12.34",
        "TOTAL  : 12.34",
        "TOTAL: : 12.34",
        "TOTAL .12.34",
        "TOTAL '12.34",
        "TOTAL ?12.34",
        "TOTAL 12.34%",
        "#TOTAL: 12.34",
        "#TOTAL. 12.34",
        "TOTAL =EU-EUR 12.34",
        "TOTAL 12.34.",
        "TOTAL 12:34",
        "TOTAL 1?234.50",
        "TOTAL 1/234.50",
    ):
        none(UNCLEAR, row)


def test_a_minus_that_the_display_wrapped_away_from_its_amount():
    for top, bottom in (
        ("TOTAL              -", "12.34"),
        ("TOTAL             -$", "12.34"),
        ("TOTAL            NZ-", "12.34"),
        ("BALANCE -", "12.34"),
        ("BALANCE-", "12.34"),
        ("TOTAL          12.34", "-"),
        ("TOTAL          12.34", "-NZD"),
        ("1 Latte 3.00       -", "TOTAL          12.34"),
        ("TOTAL 12.34        -", "TO PAY 4.34"),
    ):
        none(UNCLEAR, top, bottom, currency="NZD")
    none(VETO, "CHANGE             -", "7.66")
    none(ITEM, "Flat white         -", "4.50")
    none(IDLE, "- WELCOME -")


def test_what_is_no_minus_of_the_total():
    charge(1234, "--------------------", "TOTAL 12.34")
    charge(1234, "-----TOTAL-----", "12.34")
    charge(1234, "TOTAL 12.34", "CAFE-BAR")
    running(1234, "TOTAL 12.34", "CALL 0800-123-456")
    running(1234, "Discount       -1.00", "TOTAL 12.34")
    running(1234, "Discount       1.00-", "TOTAL 12.34")
    running(1234, "Blue pen        -10%", "TOTAL 12.34")
    charge(450, "COFFEE - LARGE", "TOTAL 4.50")
    charge(450, "JOE'S BAR - CAFE", "TOTAL NZD 4.50", currency="NZD")
    charge(450, "TOTAL 4.50", "THANK YOU - HAERE RA")
    charge(450, "TOTAL 4.50", "- THANK YOU -")
    charge(450, "- TOTAL -", "4.50")
    running(450, "TABLE 5 - BAR", "TOTAL 4.50")
    running(1234, "TOTAL 12.34", "- 5% MEMBER")


def test_exactly_the_decimals_of_the_currency():
    for row in ("TOTAL 12", "TOTAL 12.3", "TOTAL 12.345", "TOTAL 12.", "TOTAL .34", "TOTAL 01.50", "TOTAL 1000000.00"):
        none(UNCLEAR, row)
    charge(99999999, "TOTAL 999999.99")
    charge(1, "TOTAL 0.01")
    charge(1234, "TOTAL 1234", currency="JPY")
    none(UNCLEAR, "TOTAL 1234.00", currency="JPY")
    none(UNCLEAR, "TOTAL 123?", currency="JPY")
    none(UNCLEAR, "TOTAL 0123", currency="JPY")
    charge(1234, "TOTAL 1.234", currency="KWD", style="1,234.56")
    none(UNCLEAR, "TOTAL 1.23", currency="KWD", style="1,234.56")


def test_the_styles_of_writing_a_number():
    written = {
        "1,234.56": "1,234.56",
        "1.234,56": "1.234,56",
        "1 234,56": "1 234,56",
        "1'234.56": "1'234.56",
    }
    for style in written:
        for number in written.values():
            row = "TOTAL " + number
            if number == written[style]:
                charge(123456, row, style=style)
            else:
                none(UNCLEAR, row, style=style)
            none(UNCLEAR, "TOTAL 1234.56", style=style)  # a mark may have become a digit
            none(UNCLEAR, "TOTAL 1234,56", style=style)
    none(UNCLEAR, "TOTAL 1,234,567.89", style="1,234.56")
    none(UNCLEAR, "TOTAL 12,3456.78", style="1,234.56")
    none(UNCLEAR, "TOTAL 1234,567", style="1,234.56", currency="JPY")
    none(UNCLEAR, "TOTAL 1 2345,67", style="1 234,56")
    none(UNCLEAR, "TOTAL 1234", style="1,234.56", currency="JPY")
    charge(12345678, "TOTAL 123.456,78", style="1.234,56")


def test_auto_takes_what_reads_the_same_in_every_style():
    charge(1234, "TOTAL 12.34")
    charge(1234, "TOTAL 12,34")
    charge(123456, "TOTAL 1,234.56")
    charge(123456, "TOTAL 1.234,56")
    charge(123456, "TOTAL 1'234.56")
    charge(123456, "TOTAL 1234.56")
    none(UNCLEAR, "TOTAL 1 234,56")  # one of 234,56, or a space for the thousands
    none(UNCLEAR, "TOTAL 1.234")
    none(UNCLEAR, "TOTAL 1,234")
    none(UNCLEAR, "TOTAL 1.234.56")
    none(UNCLEAR, "TOTAL 12.34.56")
    none(UNCLEAR, "TOTAL 1,23,456.00")
    none(UNCLEAR, "TOTAL ,234.56")
    none(UNCLEAR, "TOTAL 1,,234.56")
    charge(1234, "TOTAL 1.234", currency="JPY")
    charge(1234, "TOTAL 1,234", currency="JPY")
    none(UNCLEAR, "TOTAL 1 234", currency="JPY")
    none(UNCLEAR, "TOTAL 1.234", currency="KWD")  # 1.234, or a thousand from a till that writes no decimals
    none(UNCLEAR, "TOTAL 123.456", currency="KWD")
    charge(1234567, "TOTAL 1234.567", currency="KWD")
    charge(1234567, "TOTAL 1,234.567", currency="KWD")


def test_with_spaces_for_thousands_a_long_number_must_have_them():
    none(UNCLEAR, "TOTAL 10234,56", style="1 234,56")
    charge(1023456, "TOTAL 10 234,56", style="1 234,56")
    charge(23456, "TOTAL 234,56", style="1 234,56")
    none(UNCLEAR, "TOTAL 1  234,56", style="1 234,56")
    none(UNCLEAR, "TOTAL 1?234,56", style="1 234,56")  # a lone "?" is a lost character
    charge(10000, "TOTAL 10 000", currency="JPY", style="1 234,56")
    none(UNCLEAR, "TOTAL 1 00", currency="JPY", style="1 234,56")


def test_the_lists_fit_their_memory():
    assert sum(len(words) for words in WORDS) <= 1000
    for words in WORDS:
        assert words[0] == words[-1] == "|" and "||" not in words
