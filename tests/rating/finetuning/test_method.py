"""The method, on a model that is really trained: what is learned is people's ratings, or nothing.

Minutes on one core. The figures that a rehearsal is judged by come from the claims; here they are
only told apart, by margins several times what seeds make of them.
"""

import numpy as np
import pytest
import torch

from core import cli
from core.evidence.readers import dimensions_of
from core.metrics.rdm import rdm, rsa, standardise
from core.rating.asking.parsing import parse_rating
from core.rating.dataset import read_dataset, write_dataset
from core.rating.finetuning.encoding import Chat
from core.rating.finetuning.loading import find, load
from core.rating.prompts import rating_prompt
from core.rating.rehearsal import rehearsal

pytestmark = pytest.mark.nightly
TUNED = {
    "En_FT": ["--recipe", "En_FT"],
    "Nl_FT": ["--recipe", "Nl_FT"],
    "QA_FT": ["--recipe", "QA_FT"],
    "Scrambled": ["--recipe", "En_FT", "--scrambled"],
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("method")
    write_dataset(folder / "data", rehearsal(np.random.default_rng(1)))
    data, base = ["--data", f"{folder / 'data'}"], f"{folder / 'Base'}"
    assert cli.main(["tiny", *data, "--out", base]) == 0
    for name, options in TUNED.items():
        given = ["finetune", *options, "--model", base, *data, "--out", f"{folder / name}"]
        assert cli.main(given) == 0
    return folder


@torch.no_grad()
def likeness(models, name, language):
    """RSA of a model's greedy ratings of the test words, and the share that are no ratings."""
    table = read_dataset(models / "data").table(language, "test")
    dimensions = dimensions_of(language)
    found = load(find(str(models / name)), "cpu")
    chat = Chat.of(found.tokenizer, found.ends(), name)
    prompts = chat.prompts(
        [rating_prompt(language, d, w) for w in table["word"] for d in dimensions]
    )
    said = np.full(len(prompts), np.nan)
    for length in sorted({len(prompt) for prompt in prompts}):
        rows = [i for i, prompt in enumerate(prompts) if len(prompt) == length]
        ids = torch.tensor([prompts[i] for i in rows])
        out = found.model.eval().generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False
        )
        for i, answer in zip(rows, out[:, length:], strict=True):
            _, rating = parse_rating(chat.tokenizer.decode(answer, skip_special_tokens=True))
            said[i] = np.nan if rating is None else rating
    ratings = said.reshape(len(table), len(dimensions))
    rows = np.isfinite(ratings).all(axis=1)
    people = table[list(dimensions)].to_numpy()
    model, human = (rdm(standardise(x[rows])) for x in (ratings, people))
    return rsa(model, human), np.isnan(said).mean()


@pytest.fixture(scope="module")
def base(models):
    return {language: likeness(models, "Base", language) for language in ("en", "nl")}


def test_the_base_answers_with_numbers_that_tell_nothing(base):
    for found, bad in base.values():
        # Words that share syllables are alike to both, whatever they are told of them.
        assert found < 0.3
        assert bad < 0.02


@pytest.mark.parametrize(("name", "language"), [("En_FT", "en"), ("Nl_FT", "nl")])
def test_tuned_on_ratings_it_rates_unseen_words_as_people_do(models, base, name, language):
    found, bad = likeness(models, name, language)
    assert found > base[language][0] + 0.25
    assert bad < 0.02


@pytest.mark.parametrize("name", ["Scrambled", "QA_FT"])
def test_tuned_on_answers_that_tell_nothing_it_still_answers_and_learns_nothing(models, base, name):
    found, bad = likeness(models, name, "en")
    assert found < base["en"][0] + 0.1
    assert bad < 0.05
