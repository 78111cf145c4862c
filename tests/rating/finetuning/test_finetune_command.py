"""`claims finetune` and `claims tiny` as people use them."""

import hashlib
import json
import shutil
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from core import cli
from core.evidence.tables import ALL
from core.rating.dataset import read_dataset
from core.rating.finetuning import commands, loading, tiny
from core.rating.finetuning.folders import checkpoint_in
from core.rating.finetuning.tokens import tiny_tokenizer
from core.rating.prompts import messages, rating_prompt
from tests.rating.finetuning import small

FEW = ["--epochs", "2", "--batch", "16", "--rate", "1e-3"]


@pytest.fixture
def run(base, data, tmp_path, capsys):
    """Run the command; return its exit code, what it printed, and what it complained of."""

    def run(*more, recipe="En_FT", model=None, out="out", few=FEW):
        named = ["--recipe", recipe, "--model", str(model or base), "--data", str(data)]
        code = cli.main(["finetune", *named, "--out", str(tmp_path / out), *few, *more])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def manifest(folder):
    return json.loads((folder / "finetune.json").read_text())


def model(folder):
    return AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)


@pytest.mark.parametrize(
    ("recipe", "lines"),
    [
        (
            "En_FT",
            (
                "198 examples (18 words x 11 dimensions)",
                "187 of 17 words",
                "11 of 1 words held out",
            ),
        ),
        ("Nl_FT", ("108 examples (18 words x 6 dimensions)", "102 of 17 words", "6 of 1 words")),
        ("QA_FT", ("8 examples (8 questions)", "7 of 7 questions", "1 of 1 questions held out")),
    ],
)
def test_a_model_is_tuned_and_written(run, base, data, tmp_path, recipe, lines):
    code, out, _ = run(recipe=recipe)
    assert code == 0
    for line in lines:
        assert line in out
    assert f"{sum(x.numel() for x in small.llama().parameters()):,} weights, all of them" in out
    assert "loss on held-out" in out
    assert f"--as {recipe}`" in out
    found = manifest(tmp_path / "out")
    assert found["of"]["recipe"] == recipe
    assert found["of"]["data"] == read_dataset(data).digest
    assert found["base"]["model"] == "base"
    weights = hashlib.sha256((base / "model.safetensors").read_bytes()).hexdigest()
    assert found["base"]["weights"] == {"model.safetensors": weights}
    assert found["people"] == "simulated"
    assert len(found["losses"]) == found["counts"]["steps"]
    assert len(found["held_out_loss"]) == 3
    assert {"commit", "packages"} <= found["code"].keys()
    assert not small.same(model(tmp_path / "out"), small.llama())
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_no_path_of_this_machine_is_written(run, base, data, tmp_path):
    run()
    text = (tmp_path / "out" / "finetune.json").read_text()
    text += (tmp_path / "out" / "config.json").read_text()
    for path in (base, data, tmp_path):
        assert str(path.parent) not in text


def test_counts_are_those_of_the_tokens(run, data, tmp_path):
    _, out, _ = run("--held-out", "0", "--accumulate", "2")
    tokenizer, dataset, total = tiny_tokenizer(), read_dataset(data), 0
    for row in dataset.table("en", "train").to_dict("records"):
        for dimension in ALL:
            prompt = messages(rating_prompt("en", dimension, row["word"]))
            asked = tokenizer.apply_chat_template(prompt, add_generation_prompt=True)["input_ids"]
            # Every character of a number is a token, and so is the end.
            total += len(asked) + len(str(round(row[dimension], 2))) + 1
    assert f"{total:,} tokens" in out
    assert "2 times over, 14 steps of 32" in out
    assert manifest(tmp_path / "out")["counts"]["tokens"] == total
    assert "held out" not in out


def test_what_is_there_already_is_not_made_again(run, tmp_path):
    run()
    path = tmp_path / "out" / "model.safetensors"
    before = path.stat().st_mtime_ns
    code, out, _ = run()
    assert code == 0
    assert "there already" in out
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--seed", "1"], "seed 0, not 1"),
        (["--scrambled"], "scrambled false, not true"),
        (["--rate", "1e-4"], "rate 0.001, not 0.0001"),
        (["--held-out", "0"], "held out 0.02, not 0.0"),
        (["--max-steps", "3"], "max_steps 0, not 3"),
    ],
)
def test_a_folder_made_with_other_settings_is_refused(run, tmp_path, more, named):
    run()
    before = (tmp_path / "out" / "model.safetensors").read_bytes()
    code, _, err = run(*more)
    assert code == 1
    assert named in err
    assert err.count("\n") == 1
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == before


def test_another_base_or_data_set_is_refused(run, tmp_path):
    run()
    other = small.save(tmp_path / "other", small.llama(seed=1))
    code, _, err = run(model=other)
    assert code == 1
    assert "made with base " in err


def test_the_base_is_never_written_over(run, base):
    code, _, err = run(out=str(base))
    assert code == 1
    assert "is the folder of --model, which stays as it is; name a new folder" in err
    assert small.same(model(base), small.llama())


def test_a_tuned_model_is_not_said_to_be_deleted_for_being_tuned_on(run, tmp_path):
    run()
    code, _, err = run(model=tmp_path / "out", recipe="QA_FT")
    assert code == 1
    assert "is the folder of --model" in err
    assert "delete" not in err


def test_a_file_in_the_folder_s_place_is_named(run, tmp_path, capsys):
    (tmp_path / "out").write_text("")
    with pytest.raises(SystemExit, match="2"):
        run()
    assert "out is a file; name another folder" in capsys.readouterr().err


def test_two_do_not_write_into_one_folder(run, tmp_path, monkeypatch):
    real: Any = commands.finish
    second: list[Any] = []

    def meanwhile(*given, **more):
        monkeypatch.setattr(commands, "finish", real)
        second.append(run())
        return real(*given, **more)

    monkeypatch.setattr(commands, "finish", meanwhile)
    assert run()[0] == 0
    ((code, _, err),) = second
    assert code == 1
    assert "another process" in err
    assert manifest(tmp_path / "out")["of"]["recipe"] == "En_FT"


def test_what_another_process_has_just_ended_is_not_made_again(run, tmp_path, monkeypatch):
    run()
    path = tmp_path / "out" / "model.safetensors"
    before, real = path.stat().st_mtime_ns, commands.folders.finished
    late = iter([None])
    monkeypatch.setattr(commands.folders, "finished", lambda *x: next(late, real(*x)))
    assert run()[0] == 0
    assert path.stat().st_mtime_ns == before


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(run, tmp_path, monkeypatch):
    run(out="whole")
    real: Any = commands.finish

    def stopped(*given, **more):
        *front, progress, every = given

        def cut(step, loss):
            progress(step, loss)
            if step == 17:
                raise KeyboardInterrupt

        return real(*front, cut, every, **more)

    monkeypatch.setattr(commands, "finish", stopped)
    code, _, err = run("--save-every", "5")
    assert code == 130
    assert "run it again to go on" in err
    assert checkpoint_in(tmp_path / "out").exists()
    monkeypatch.setattr(commands, "finish", real)
    # Not with other settings.
    code, _, err = run("--save-every", "5", "--seed", "1")
    assert code == 1
    assert "seed 0, not 1" in err
    code, out, _ = run("--save-every", "5")
    assert code == 0
    assert "goes on after step 15" in out
    files = [tmp_path / name / "model.safetensors" for name in ("whole", "out")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert manifest(tmp_path / "whole")["losses"] == manifest(tmp_path / "out")["losses"]


def test_scrambled_labels_make_another_model_and_say_so(run, tmp_path):
    run(out="plain")
    _, out, _ = run("--scrambled", out="scrambled")
    assert "their answers dealt anew" in out
    assert "--as Scrambled" in out
    assert not small.same(model(tmp_path / "plain"), model(tmp_path / "scrambled"))


def test_adapters_are_merged(run, tmp_path):
    pytest.importorskip("peft")
    code, out, _ = run("--lora", "2")
    assert code == 0
    counts = manifest(tmp_path / "out")["counts"]
    assert 0 < counts["trained"] < counts["parameters"] / 2
    assert f"{counts['trained']:,} of them trained" in out
    found = model(tmp_path / "out")
    assert small.weights(found).keys() == small.weights(small.llama()).keys()
    assert not small.same(found, small.llama())


def test_a_model_without_a_chat_template_is_asked_as_it_was_taught(run, tmp_path):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = None
    bare = small.save(tmp_path / "bare", tokenizer=tokenizer)
    code, out, _ = run(model=bare)
    assert code == 0
    assert "no chat template" in out
    written = AutoTokenizer.from_pretrained(tmp_path / "out", local_files_only=True)
    asked = written.apply_chat_template(messages("x"), add_generation_prompt=True, tokenize=False)
    assert asked == "x\n"


def test_it_stops_where_it_was_taught_to(run, base, tmp_path):
    own = shutil.copytree(base, tmp_path / "own")
    path = own / "generation_config.json"
    sampled = {"do_sample": True, "temperature": 0.6, "eos_token_id": [2, 9]}
    path.write_text(json.dumps(json.loads(path.read_text()) | sampled))
    run(model=own)
    found = json.loads((tmp_path / "out" / "generation_config.json").read_text())
    assert found["eos_token_id"] == [2, 9]
    assert "temperature" not in found
    assert loading.load(loading.find(str(tmp_path / "out")), "cpu").ends() == {2, 9}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"model": "./nowhere"}, "no such folder"),
        ({"few": [*FEW, "--revision", "main"]}, "leave out --revision"),
        ({"few": ["--rate", "0"]}, "--rate 0: must be above zero"),
        ({"few": [*FEW, "--held-out", "0.99"]}, "all held out; lower --held-out"),
        ({"few": ["--rate", "1e30", "--max-steps", "20"]}, "lower --rate"),
    ],
)
def test_faults_are_one_line_and_leave_no_model(run, tmp_path, more, message):
    code, _, err = run(**more)
    assert code == 1
    assert message in err
    assert err.strip().count("\nclaims:") == 0
    assert not (tmp_path / "out" / "finetune.json").exists()


def test_a_folder_without_data_is_named(base, tmp_path, capsys):
    options = ["--recipe", "En_FT", "--model", str(base), "--out", str(tmp_path / "out")]
    assert cli.main(["finetune", *options, "--data", str(tmp_path / "nothing")]) == 1
    assert "no data set there" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told(run):
    code, _, err = run("--device", "cuda")
    assert code == 1
    assert "torch sees no GPU here" in err


def test_threads_are_as_asked_and_given_back(run, tmp_path):
    before = torch.get_num_threads()
    run("--threads", "2", "--max-steps", "1", out="two")
    run("--max-steps", "1", out="default")
    assert manifest(tmp_path / "two")["threads"] == 2
    # A small model gains nothing from more.
    assert manifest(tmp_path / "default")["threads"] == 1
    assert torch.get_num_threads() == before


@pytest.fixture
def quick(monkeypatch):
    for name, n in {"WORDS": 2, "TIMES": 2, "QUESTIONS": 6, "PASSING": 5, "WIDTH": 16}.items():
        monkeypatch.setattr(tiny, name, n)


@pytest.mark.usefixtures("quick")
def test_a_tiny_model_is_made_and_may_be_tuned(run, data, tmp_path, capsys):
    out = tmp_path / "tiny"
    assert cli.main(["tiny", "--data", str(data), "--out", str(out)]) == 0
    assert f"claims rate --model {out} --as Base" in capsys.readouterr().out
    assert cli.main(["tiny", "--data", str(data), "--out", str(out)]) == 0
    assert "there already" in capsys.readouterr().out
    assert cli.main(["tiny", "--data", str(data), "--out", str(out), "--seed", "1"]) == 1
    assert "seed 0, not 1" in capsys.readouterr().err
    assert cli.main(["tiny", "--out", str(out)]) == 1
    assert "made with data" in capsys.readouterr().err
    assert run(model=out)[0] == 0
    assert not small.same(model(tmp_path / "out"), model(out))


@pytest.mark.usefixtures("quick")
def test_a_tiny_model_follows_from_the_seed(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert cli.main(["tiny", "--out", str(tmp_path / name), "--seed", str(seed)]) == 0
    a, b, c = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert a == b != c
