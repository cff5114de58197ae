"""Asks a simulated endpoint through the official SDK alibabacloud-rds20140815, unchanged.

usage: new_sdk.py HOST:PORT ACCESS_KEY_ID ACCESS_KEY_SECRET INSTANCE PAGE_SIZE START END
Prints what it got as one JSON object.
"""

import json
import sys

from alibabacloud_rds20140815 import models
from alibabacloud_rds20140815.client import Client
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.runtime import RuntimeOptions

endpoint, key_id, secret, instance, page_size, start, end = sys.argv[1:]


def client(secret=secret):
    return Client(
        Config(
            access_key_id=key_id,
            access_key_secret=secret,
            endpoint=endpoint,
            protocol="http",
            signature_algorithm="v2",
            region_id="cn-hangzhou",
        )
    )


def ask(client, **parameters):
    parameters = {"dbinstance_id": instance, "engine": "MySQL", **parameters}
    request = models.DescibeImportsFromDatabaseRequest(
        start_time=start, end_time=end, **parameters
    )
    return client.descibe_imports_from_database_with_options(request, RuntimeOptions()).body


def task(item):
    return [
        item.import_id,
        item.import_data_type,
        item.import_data_status,
        item.import_data_status_description,
        item.incremental_importing_time,
    ]


def tasks(body):
    return [task(item) for item in body.items.import_result_from_db]


def error(**parameters):
    secret = parameters.pop("secret", None)
    try:
        ask(client(secret) if secret else client(), **parameters)
    except AlibabaCloudException as problem:
        return [problem.status_code, problem.code]
    raise SystemExit("the request was expected to fail")


pages, total = [], None
while total is None or sum(map(len, pages)) < total:
    body = ask(client(), page_size=int(page_size), page_number=len(pages) + 1)
    total = body.total_record_count
    pages.append(tasks(body))
    if not pages[-1]:
        break

print(
    json.dumps(
        {
            "pages": pages,
            "total": total,
            "one": tasks(ask(client(), import_id=pages[0][0][0])),
            "wrong_secret": error(secret=secret + "x"),
            "unknown_instance": error(dbinstance_id="rm-unknown"),
            "bad_page_size": error(page_size=31),
        }
    )
)
