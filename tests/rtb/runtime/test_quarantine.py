"""What is left out is known by what left it out, and a change is told once."""

from __future__ import annotations

from rtb.runtime.quarantine import Fault, Quarantine, count_by_kind, decode_faults, encode_faults

_SPRING = Fault("campaign", "spring", "its flight has no length")
_RATES = Fault("rates", "rates.yaml", "not YAML")


def test_a_source_replaces_only_its_own():
    quarantine = Quarantine()
    assert quarantine.replace("catalog", [_SPRING]) == ([_SPRING], [])
    assert quarantine.replace("rates", [_RATES]) == ([_RATES], [])
    assert quarantine.replace("catalog", [_SPRING]) == ([], [])
    assert quarantine.faults == [_SPRING, _RATES]
    assert quarantine.replace("catalog", []) == ([], [_SPRING])
    assert quarantine.faults == [_RATES]


def test_faults_travel_as_they_are():
    assert decode_faults(encode_faults([_SPRING, _RATES])) == [_SPRING, _RATES]
    assert count_by_kind([_SPRING, _SPRING, _RATES]) == {"campaign": 2, "rates": 1}


def test_a_reason_is_one_line_of_bounded_length():
    fault = Fault.of("campaign", "spring", ValueError("one\ntwo\x1b" + "x" * 1_000))
    assert fault.reason.isprintable()
    assert len(fault.reason) <= 300
