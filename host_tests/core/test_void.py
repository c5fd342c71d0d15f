"""Whatever a void is answered with, the request is read before the next: void refunds what was paid."""

from fakes import started

from centrapay import RateLimited, Refused, SetupFault, Unknown


def test_after_any_answer_to_a_void_it_is_read_before_the_next():
    for error in (SetupFault("HTTP_403"), RateLimited(5), Refused("INACTIVE_ASSET"), Unknown("reset")):
        bench = started()
        bench.ledger.fail["void"] = error
        bench.say("CANCEL 1")
        while "void" not in bench.ledger.calls:
            bench.step()
        bench.ledger.pay()
        bench.run(60000)
        wanted = ["CANCELLED"] if isinstance(error, Unknown) else ["PAID"]
        assert bench.results("1") == wanted, (error, bench.results("1"))
        after = bench.ledger.calls[bench.ledger.calls.index("void") + 1 :]
        assert after[0] == "get", (error, after)


def test_a_box_that_may_not_void_finds_out_how_it_ended():
    bench = started()
    bench.ledger.refuse["void"] = SetupFault("HTTP_403")
    bench.say("CANCEL 1")
    bench.run(600000, 500)
    assert bench.results("1") == ["UNKNOWN", "EXPIRED"]


def test_a_void_goes_out_on_a_fresh_read():
    bench = started()
    sent = []
    perform = bench.ledger.perform

    def note(owner, verb, identity, now):
        sent.append((verb, now))
        return perform(owner, verb, identity, now)

    bench.ledger.perform = note
    bench.ledger.refuse["void"] = SetupFault("HTTP_403")
    bench.ledger.expires = False
    bench.say("CANCEL 1")
    bench.run(600000, 500)
    voids = [at for at in range(1, len(sent)) if sent[at][0] == "void"]
    assert len(voids) > 3
    for at in voids:
        assert sent[at - 1][0] == "get" and sent[at][1] - sent[at - 1][1] <= 500


def test_voids_that_get_no_answer_come_ever_more_seldom():
    for paid in (False, True):
        bench = started()
        bench.ledger.expires = False
        bench.ledger.refuse["void"] = Unknown("HTTP 500", True)
        bench.say("CANCEL 1")
        bench.run(2000)
        if paid:
            bench.ledger.pay()
        bench.run(60000)
        assert bench.results("1") == ["UNKNOWN"]
        bench.say("ACK 1")
        bench.ledger.calls.clear()
        bench.run(3600000, 500)
        assert 50 <= len(bench.ledger.calls) <= 300, len(bench.ledger.calls)
        bench.ledger.refuse.clear()
        bench.run(40000)
        assert bench.results("1") == ["UNKNOWN", "CANCELLED"]
