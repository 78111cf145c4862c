"""`alignment.json` is read with care, and shown as tables."""

import json

import pytest

from core import cli
from core.evidence.errors import EvidenceError
from core.report.alignment_table import read, table, write
from tests.report.hand import content

GOLDEN = """\
                  P@1    P@15                  P@15 untrained  debiased CKA  disparity (relabelled)
agent             0.050  0.100 [0.050, 0.150]  0.300           0.250
a/model (mean)    0.100  0.200 [0.150, 0.250]  0.600           0.250         0.600 (0.950)
agent, untrained  0.150  0.300 [0.250, 0.350]  0.800           0.250         0.600 (0.950)
bag of words      0.200  0.400 [0.350, 0.450]  0.900           0.250         0.600 (0.950)

Procrustes, three ways (relabelled)  after PCA       zero-padded     rotation only
a/model (mean)                       0.600 (0.950)   0.700 (0.960)   1.000 (1.550)

P@15 after so many updates  0      20000
a/model (mean)              0.700  0.300
bag of words                0.600  0.400

Unrelated Gaussian spaces, width  2       768
disparity                         0.984   0.069
effective rank                    2.0     105.0
"""


def test_the_tables_line_by_line():
    assert "\n".join(table(content())) + "\n" == GOLDEN


def test_without_a_model_there_are_no_three_ways():
    without = content()
    for one in without["disparities"]:
        one["padded"] = one["rotation"] = None
    assert not any("three ways" in line for line in table(without))


def test_what_was_written_is_read(tmp_path):
    write(tmp_path / "alignment.json", content())
    assert read(tmp_path / "alignment.json") == content()


FAULTS = {
    "another schema": lambda c: c.update(schema=1),
    "pairs cut": lambda c: c["pairs"].pop(),
    "a pair twice": lambda c: c["pairs"].append(c["pairs"][0]),
    "one group more": lambda c: c["groups"].append("other"),
    "a group twice": lambda c: c["groups"].append("bag of words"),
    "no agents": lambda c: c["groups"].remove("agent"),
    "an older format": lambda c: c.pop("course"),
    "P@k cut": lambda c: c["pairs"][0]["precision"].pop(),
    "half an interval": lambda c: c["pairs"][0].update(low=[]),
    "no CKA": lambda c: c["pairs"][3].pop("debiased_cka"),
    "no number": lambda c: c["pairs"][3].update(debiased_cka="much"),
    "a violin cut": lambda c: c["violins"]["bag of words"][0].pop(),
    "no violin": lambda c: c["violins"].pop("bag of words"),
    "a course cut": lambda c: c["course"]["precision"]["bag of words"].pop(),
    "no course": lambda c: c["course"]["precision"].pop("bag of words"),
    "no disparity": lambda c: c["disparities"].pop(),
    "an agent less": lambda c: c["disparities"][0]["padded"]["values"].pop(),
    "no forms": lambda c: c["disparities"][0].pop("padded"),
    "no rank": lambda c: c["random_disparity"][0].pop("effective_rank"),
    "a list": lambda c: c.update(violins=[]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_lacks_anything_is_one_line_with_the_remedy(tmp_path, capsys, fault):
    path, broken = tmp_path / "alignment.json", content()
    FAULTS[fault](broken)
    path.write_text(json.dumps(broken))
    with pytest.raises(EvidenceError, match=r"alignment\.json: .*; run `pytest claims/alm`"):
        read(path)
    assert cli.main(["alignment", str(path), "--out", str(tmp_path / "figures")]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize("text", [None, "{", "[]", '{"schema": 2}'])
def test_what_is_no_document_is_refused(tmp_path, text):
    path = tmp_path / "alignment.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(EvidenceError, match="to write it"):
        read(path)


def test_the_command_prints_and_draws(tmp_path, capsys):
    write(tmp_path / "alignment.json", content())
    out = tmp_path / "figures"
    assert cli.main(["alignment", str(tmp_path / "alignment.json"), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(GOLDEN)
    told = [line.removeprefix("wrote ") for line in said.splitlines()[-4:]]
    assert sorted(told) == sorted(map(str, out.iterdir()))
