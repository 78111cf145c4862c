"""A fine-tuning job against the fault server, in a time of its own: waiting takes none."""

import openai

from core.rating.asking.patience import Patience
from core.rating.finetuning.remote_job import Job, Order
from tests.rating.asking.batch_server import TODAY, BatchServer
from tests.rating.asking.serving import SECRET

BASE = "gpt-4o-mini-2024-07-18"
JOBS = "POST /v1/fine_tuning/jobs"


def an_order(server: BatchServer) -> Order:
    return Order("En_FT", BASE, "d" * 64, "c" * 64, 3, 0, server.url)


def job(order, folder, *, said=None, sleep=lambda _: None, today=TODAY):
    client = openai.OpenAI(api_key=SECRET, base_url=order.server, max_retries=0)
    return Job(
        *(order, folder, client),
        sleep=sleep,
        today=lambda: today,
        say=(lambda _: None) if said is None else said.append,
        patience=Patience(lambda _: None, tries=3),
    )


def carried(order, folder, **options):
    one = job(order, folder, **options)
    with one.client:
        return one.carry(b"a training file")
