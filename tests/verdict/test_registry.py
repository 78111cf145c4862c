import pytest

from core.verdict.registry import RegistryError, load_registries, load_registry

GROUP = """
[[group]]
test = "test_x.py::test_x"
section = "Section"
tiers = ["released"]
needs = ["ratings"]
controls = {holds = "told", fails = "shuffled"}
"""
CLAIM = """
[[group.claim]]
id = "sm-one"
rows = ["C001"]
where = "Results"
statement = "Something holds."
criterion = {kind = "above", bound = 0}
"""


def load(tmp_path, text):
    path = tmp_path / "paper.toml"
    path.write_text(text, encoding="utf-8")
    return load_registry(path)


def test_a_claim_takes_what_its_group_says_unless_it_says_otherwise(tmp_path):
    second = CLAIM.replace("sm-one", "sm-two") + 'needs = []\nours = true\ntiers = ["fresh"]\n'
    one, two = load(tmp_path, GROUP + CLAIM + second)
    assert (one.paper, one.test, one.section) == ("paper", "paper/test_x.py::test_x", "Section")
    assert (one.tiers, one.needs, one.ours) == (("released",), ("ratings",), False)
    assert (two.tiers, two.needs, two.ours) == (("fresh",), (), True)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('id = "sm-one"', 'id = "One"', "lower-case"),
        ('id = "sm-one"\n', "", "missing key 'id'"),
        ('statement = "Something holds."\n', "", "missing key 'statement'"),
        ('rows = ["C001"]\n', "", "names no row"),
        ("criterion = {kind", "criteron = {kind", "unknown key"),
        ('kind = "above", bound = 0', 'kind = "above"', "takes"),
        ('criterion = {kind = "above", bound = 0}\n', "", "no criterion"),
        ('tiers = ["released"]\n', "", "no tiers"),
        ('tiers = ["released"]', 'tiers = ["gossip"]', "unknown tier"),
        ('controls = {holds = "told", fails = "shuffled"}\n', "", "no controls"),
        ('fails = "shuffled"', 'fails = "told"', "cannot both"),
        (', fails = "shuffled"', "", "missing key 'fails'"),
        ('section = "Section"', 'sectio = "Section"', "unknown key"),
        ("[[group]]", "[[group]", "cannot be read"),
        ("[[group]]\ntest", "[group]\ntest", "array of tables|cannot be read"),
        ('rows = ["C001"]', 'rows = "C001"', "rows must be a list"),
        ('statement = "Something holds."', 'statement = " "', "statement must be a text"),
        ('tiers = ["released"]', 'tiers = ["released", "released"]', "twice"),
        ('test = "test_x.py::test_x"', 'test = "x.py"', "name of a test"),
        ('holds = "told"', "holds = {}", "holds must be"),
        ('holds = "told"', "holds = 1", "holds must be"),
        ("bound = 0", "bound = nan", "finite"),
        ('where = "Results"', 'where = "Results"\nours = "false"', "ours must be true or false"),
        ('where = "Results"', 'where = "Results"\nvariant = "x"', "variant must be a table"),
    ],
)
def test_a_registry_that_does_not_say_what_it_must_is_refused(tmp_path, old, new, complaint):
    text = GROUP + CLAIM
    assert old in text
    with pytest.raises(RegistryError, match=complaint) as caught:
        load(tmp_path, text.replace(old, new))
    assert "paper.toml" in str(caught.value)


UNTESTED = """
[[group]]
test = "test_untested.py::test_untested"
section = "Section"
[[group.claim]]
id = "sm-unknown"
rows = ["C094"]
where = "Discussion"
statement = "Gradients do it."
untested = {reason = "not-observable", settles = "training traces"}
"""


def test_an_untested_claim_says_why_and_what_would_settle_it(tmp_path):
    (claim,) = load(tmp_path, UNTESTED)
    assert claim.untested is not None
    assert claim.untested.settles == "training traces"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("not-observable", "because"),
        ("not-observable", "unreachable"),
        (', settles = "training traces"', ""),
        ('where = "Discussion"', 'where = "Discussion"\ntiers = ["released"]'),
    ],
)
def test_an_untested_claim_cannot_be_vague_or_judged_as_well(tmp_path, old, new):
    with pytest.raises(RegistryError, match="untested"):
        load(tmp_path, UNTESTED.replace(old, new))


def test_an_id_appears_once(tmp_path):
    with pytest.raises(RegistryError, match="twice"):
        load(tmp_path, GROUP + CLAIM + CLAIM)
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(GROUP + CLAIM, encoding="utf-8")
    with pytest.raises(RegistryError, match="twice"):
        load_registries([tmp_path / "a.toml", tmp_path / "b.toml"])


def test_a_missing_registry_is_named(tmp_path):
    with pytest.raises(RegistryError, match=r"gone\.toml"):
        load_registry(tmp_path / "gone.toml")
