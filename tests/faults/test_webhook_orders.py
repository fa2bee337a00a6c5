"""Deliveries early, doubled, shuffled and against each other."""

import random

from tests.conftest import Start
from tests.faults.deliveries import PACE, Sender, run, standing_before_fal
from tests.faults.key_server import serving_keys

JOBS = 12


def test_each_job_ends_once_whatever_comes_in_whichever_order(start: Start) -> None:
    with serving_keys() as keys:
        sender = Sender(keys.keys[0], random.Random(3), most=16)
        with standing_before_fal(sender) as url:
            product = start(fal_jwks_url=keys.url, fal_queue_url=url, **PACE)
            sender.product = product

            counted = run(product, sender, JOBS, product.working())

    assert counted.faults == []
    assert counted.deliveries > 4 * JOBS
