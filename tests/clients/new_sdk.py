"""Asks a simulated Alibaba Cloud through the official SDKs alibabacloud-rds20140815 and
alibabacloud-sts20150401, unchanged.

usage: new_sdk.py HOST:PORT ACCESS_KEY_ID ACCESS_KEY_SECRET INSTANCE START END ROLE_ARN
    OIDC_PROVIDER_ARN OIDC_TOKEN SIGNATURE
SIGNATURE is v2, the SDK's word for HMAC-SHA1, or v3, its default. Prints what it got as one JSON object.
"""

import json
import sys

from alibabacloud_rds20140815 import models
from alibabacloud_rds20140815.client import Client
from alibabacloud_sts20150401 import models as sts_models
from alibabacloud_sts20150401.client import Client as StsClient
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.runtime import RuntimeOptions

endpoint, key_id, secret, instance, start, end, role_arn = sys.argv[1:8]
oidc_provider, oidc_token, signature = sys.argv[8:]


def config(key_id=key_id, secret=secret, token=None):
    config = Config(
        access_key_id=key_id,
        access_key_secret=secret,
        security_token=token,
        endpoint=endpoint,
        protocol="http",
        region_id="cn-hangzhou",
    )
    if signature != "v3":
        config.signature_algorithm = signature
    return config


def client(**keys):
    return Client(config(**keys))


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
        ask(client(secret=secret) if secret else client(), **parameters)
    except AlibabaCloudException as problem:
        return [problem.status_code, problem.code]
    raise SystemExit("the request was expected to fail")


def discover():
    """Every instance by token, then those of one tag."""
    found, token = [], None
    while token != "":
        request = models.DescribeDBInstancesRequest(
            region_id="cn-hangzhou", max_results=30, next_token=token
        )
        body = client().describe_dbinstances_with_options(request, RuntimeOptions()).body
        found.append([item.dbinstance_id for item in body.items.dbinstance])
        token = body.next_token
    request = models.DescribeDBInstancesRequest(
        region_id="cn-hangzhou", tags=json.dumps({"team": "dba", "环境": "生产 *"})
    )
    body = client().describe_dbinstances_with_options(request, RuntimeOptions()).body
    return found, [[i.dbinstance_id, i.dbinstance_description] for i in body.items.dbinstance]


def regions():
    body = client().describe_regions_with_options(
        models.DescribeRegionsRequest(), RuntimeOptions()
    ).body
    return [[region.region_id, region.zone_id] for region in body.regions.rdsregion]


def assume():
    request = sts_models.AssumeRoleRequest(
        role_arn=role_arn,
        role_session_name="new-sdk",
        duration_seconds=900,
        policy='{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "rds:*", "Resource": "*"}]}',
    )
    return with_keys(StsClient(config()).assume_role_with_options(request, RuntimeOptions()))


def assume_with_token():
    request = sts_models.AssumeRoleWithOIDCRequest(
        role_arn=role_arn,
        oidcprovider_arn=oidc_provider,
        oidctoken=oidc_token,
        role_session_name="new-sdk",
    )
    return with_keys(
        StsClient(config()).assume_role_with_oidcwith_options(request, RuntimeOptions())
    )


def with_keys(answer):
    keys = answer.body.credentials
    return client(
        key_id=keys.access_key_id, secret=keys.access_key_secret, token=keys.security_token
    )


pages, total = [], None
while total is None or sum(map(len, pages)) < total:
    body = ask(client(), page_size=30, page_number=len(pages) + 1)
    total = body.total_record_count
    pages.append(tasks(body))
    if not pages[-1]:
        break

instances, tagged = discover()
print(
    json.dumps(
        {
            "pages": pages,
            "total": total,
            "instances": instances,
            "tagged": tagged,
            "regions": regions(),
            "with_role": tasks(ask(assume())),
            "with_token": tasks(ask(assume_with_token())),
            "one": tasks(ask(client(), import_id=pages[0][0][0])),
            "wrong_secret": error(secret=secret + "x"),
            "unknown_instance": error(dbinstance_id="rm-unknown"),
            "bad_page_size": error(page_size=31),
        }
    )
)
