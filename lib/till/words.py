"""The words on a customer display that say what its amount is: to pay, the total, or no charge at all.

A list is phrases between bars, in capitals without accents, as the display's text is folded before it is compared.
English, Māori, French, German, Italian, Spanish, Portuguese. Once the lists are made, the module may be dropped.
"""

from micropython import const

# What is left to pay. It beats a total on the same screen, part of which is paid already.
_DUE = const(
    "|TO PAY|TOTAL TO PAY|BALANCE TO PAY|AMOUNT DUE|TOTAL DUE|BALANCE DUE|BALANCE|DUE|PLEASE PAY|HEI UTU|TAPEKE HEI UTU"
    "|A PAYER|TOTAL A PAYER|NET A PAYER|RESTE A PAYER|MONTANT DU|RESTE DU|ZU ZAHLEN|NOCH ZU ZAHLEN|ZAHLBETRAG"
    "|RESTBETRAG|DA PAGARE|TOTALE DA PAGARE|A PAGAR|TOTAL A PAGAR|PAGAR|POR PAGAR|VALOR A PAGAR|FALTA PAGAR|"
)
# SUBTOTAL is no total: a merchant whose till means it so adds it.
_TOTAL = const(
    "|TOTAL|GRAND TOTAL|TOTAL AMOUNT|TOTAL SALE|TAPEKE|TAPEKE KATOA|TOTAL TTC|MONTANT TOTAL|TOTALE|TOTALE EURO"
    "|TOTAL EURO|SUMME|SUMME EURO|GESAMT|GESAMTBETRAG|GESAMTSUMME|ENDBETRAG|IMPORTE TOTAL|VALOR TOTAL|"
)
# Anywhere on the screen. "=": only as all the words of a line, for they mean something else inside others (SNACK BAR).
_VETO = const(
    "|CHANGE|CASH|GIVEN|TENDER|TENDERED|RECEIVED|RETURNED|REFUND|VOID|DELETE|CANCEL|CANCELLED|CANCELED|PAID|=CARD"
    "|=EFTPOS|=VISA|=RETURN|TOENGA|WHAKAHOKI|UTUA|=MONI|RENDU|RENDRE|=MONNAIE|ESPECES|REMBOURSEMENT|ANNULATION|=RECU"
    "|=CARTE|RUECKGELD|RUCKGELD|WECHSELGELD|ZURUECK|ZURUCK|GEGEBEN|=BAR|STORNO|RESO|=RESTO|CONTANTI|CONTANTE|RIMBORSO"
    "|ANNULLO|PAGATO|CAMBIO|VUELTO|DEVUELTO|DEVOLUCION|EFECTIVO|ENTREGADO|ANULADO|TROCO|DINHEIRO|DEVOLUCAO|ESTORNO"
    "|RECEBIDO|"
)


def lists(due="", total="", veto=""):
    """(due, total, veto) for till.reading: a merchant's own list in place of the default, where one is given.

    A merchant's list is phrases with bars between them, "TOTAL|SUBTOTAL": letters A to Z and single spaces; "=" before
    a veto phrase that must be all the words of its line.
    """
    made = []
    for own, default in ((due, _DUE), (total, _TOTAL), (veto, _VETO)):
        phrases = [phrase.strip() for phrase in own.upper().split("|") if phrase.strip(" =")]
        # Never "||": it would match a line without words.
        made.append("|" + "|".join(phrases) + "|" if phrases else default)
    return tuple(made)
