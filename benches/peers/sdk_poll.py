"""Polls with the official SDK alibabacloud-rds20140815, one page after another, and prints the
seconds on processors that one call took.

usage: sdk_poll.py HOST:PORT CALLS INSTANCE...
"""

import itertools
import sys
import time

from alibabacloud_rds20140815 import models
from alibabacloud_rds20140815.client import Client
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.runtime import RuntimeOptions

WARM_UP = 20

endpoint, calls, *instances = sys.argv[1:]
calls = int(calls)
client = Client(
    Config(
        access_key_id="bench",
        access_key_secret="bench",
        endpoint=endpoint,
        protocol="http",
        signature_algorithm="v2",
        region_id="cn-hangzhou",
    )
)


def ask(instance):
    request = models.DescibeImportsFromDatabaseRequest(
        dbinstance_id=instance,
        engine="MySQL",
        start_time="2026-10-01T00:00Z",
        end_time="2026-11-01T00:00Z",
        page_size=100,
        page_number=1,
    )
    body = client.descibe_imports_from_database_with_options(request, RuntimeOptions()).body
    assert len(body.items.import_result_from_db) == body.total_record_count


turns = itertools.cycle(instances)
for instance in itertools.islice(turns, WARM_UP):
    ask(instance)
before = time.process_time()
for instance in itertools.islice(turns, calls):
    ask(instance)
print((time.process_time() - before) / calls)
