"""What the QR code says, as bytes, for a live payment."""


def url(payment):
    """The answer's url, byte for byte: what today's wallets expect (Centrapay integration checklist, 202.3)."""
    return payment.url.encode()


def service(payment):
    """The address of Centrapay's QR flow guide of 2023, for those who follow it."""
    return ("https://service.centrapay.com/api/payment-requests/" + payment.sale.id + "/pay").encode()
