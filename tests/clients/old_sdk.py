"""Asks a simulated Alibaba Cloud through the official legacy SDKs aliyun-python-sdk-rds and
aliyun-python-sdk-sts, unchanged.

usage: old_sdk.py HOST:PORT ACCESS_KEY_ID ACCESS_KEY_SECRET INSTANCE START END ROLE_ARN FORMAT
FORMAT is JSON or XML. Prints what it got as one JSON object.
"""

import json
import logging
import sys
import xml.etree.ElementTree as ElementTree

from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.auth.credentials import StsTokenCredential
from aliyunsdkcore.client import AcsClient
from aliyunsdkrds.request.v20140815.DescibeImportsFromDatabaseRequest import (
    DescibeImportsFromDatabaseRequest,
)
from aliyunsdkrds.request.v20140815.DescribeDBInstancesRequest import (
    DescribeDBInstancesRequest,
)
from aliyunsdkrds.request.v20140815.DescribeRegionsRequest import DescribeRegionsRequest
from aliyunsdksts.request.v20150401.AssumeRoleRequest import AssumeRoleRequest

endpoint, key_id, secret, instance, start, end, role_arn, answer_format = sys.argv[1:]
# The SDK logs every error answer; the expected ones are data here.
logging.getLogger("aliyunsdkcore").setLevel(logging.CRITICAL)

FIELDS = [
    "ImportId",
    "ImportDataType",
    "ImportDataStatus",
    "ImportDataStatusDescription",
    "IncrementalImportingTime",
]


def request(**parameters):
    request = DescibeImportsFromDatabaseRequest()
    request.set_endpoint(endpoint)
    request.set_DBInstanceId(parameters.get("instance", instance))
    request.set_Engine("MySQL")
    request.set_StartTime(start)
    request.set_EndTime(end)
    request.set_PageSize(parameters.get("page_size", 30))
    request.set_PageNumber(parameters.get("page", 1))
    if "import_id" in parameters:
        request.set_ImportId(parameters["import_id"])
    return request


def client(secret=secret):
    return AcsClient(key_id, secret, "cn-hangzhou")


def from_json(body):
    answer = json.loads(body)
    items = answer["Items"]["ImportResultFromDB"]
    return answer["TotalRecordCount"], [[item.get(field) for field in FIELDS] for item in items]


def from_xml(body):
    answer = ElementTree.fromstring(body)
    assert answer.tag == "DescibeImportsFromDatabaseResponse", answer.tag
    items = [
        [None if item.find(field) is None else item.findtext(field) for field in FIELDS]
        for item in answer.findall("Items/ImportResultFromDB")
    ]
    for item in items:
        item[0] = int(item[0])
    return int(answer.findtext("TotalRecordCount")), items


def ask(client=client(), **parameters):
    asked = request(**parameters)
    if answer_format == "JSON":
        return from_json(client.do_action_with_exception(asked))
    # Without a format the legacy client leaves it to the server.
    asked.set_accept_format("XML")
    return from_xml(client.do_action(asked))


def tree(asked):
    """An answer of either format, as nested dictionaries and lists of texts."""
    asked.set_endpoint(endpoint)
    if answer_format == "JSON":
        return json.loads(client().do_action_with_exception(asked))
    asked.set_accept_format("XML")

    def read(element):
        if len(element) == 0:
            return element.text or ""
        tags = [child.tag for child in element]
        if tags[0] in ("DBInstance", "RDSRegion"):
            return {tags[0]: [read(child) for child in element]}
        return {child.tag: read(child) for child in element}

    return read(ElementTree.fromstring(client().do_action(asked)))


def discover():
    """Every instance by token, then those of one tag."""
    found, token = [], None
    while token != "":
        asked = DescribeDBInstancesRequest()
        asked.set_MaxResults(30)
        if token:
            asked.set_NextToken(token)
        answer = tree(asked)
        found.append([item["DBInstanceId"] for item in answer["Items"]["DBInstance"]])
        token = answer["NextToken"]
    asked = DescribeDBInstancesRequest()
    asked.set_Tags(json.dumps({"team": "dba", "环境": "生产 *"}))
    items = tree(asked)["Items"]["DBInstance"]
    return found, [[item["DBInstanceId"], item["DBInstanceDescription"]] for item in items]


def regions():
    listed = tree(DescribeRegionsRequest())["Regions"]["RDSRegion"]
    return [[region["RegionId"], region["ZoneId"]] for region in listed]


def assume():
    asked = AssumeRoleRequest()
    asked.set_RoleArn(role_arn)
    asked.set_RoleSessionName("old-sdk")
    asked.set_protocol_type("http")
    keys = tree(asked)["Credentials"]
    credential = StsTokenCredential(
        keys["AccessKeyId"], keys["AccessKeySecret"], keys["SecurityToken"]
    )
    return AcsClient(region_id="cn-hangzhou", credential=credential)


def error(secret=secret, **parameters):
    if answer_format == "JSON":
        try:
            client(secret).do_action_with_exception(request(**parameters))
        except ServerException as problem:
            return [problem.get_http_status(), problem.get_error_code()]
        raise SystemExit("the request was expected to fail")
    asked = request(**parameters)
    asked.set_accept_format("XML")
    status, _, body, _ = client(secret)._implementation_of_do_action(asked)
    answer = ElementTree.fromstring(body)
    assert answer.tag == "Error", answer.tag
    return [status, answer.findtext("Code")]


pages, total = [], None
while total is None or sum(map(len, pages)) < total:
    total, page = ask(page=len(pages) + 1)
    pages.append(page)
    if not page:
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
            "with_role": ask(assume())[1],
            "one": ask(import_id=pages[0][0][0])[1],
            "wrong_secret": error(secret=secret + "x"),
            "unknown_instance": error(instance="rm-unknown"),
            "bad_page_size": error(page_size=31),
        }
    )
)
