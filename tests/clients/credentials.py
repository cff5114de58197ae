"""Gets keys from a simulated Alibaba Cloud through the official package alibabacloud-credentials, unchanged,
and lists with them through alibabacloud-rds20140815.

usage: credentials.py HOST:PORT ACCESS_KEY_ID ACCESS_KEY_SECRET INSTANCE START END ROLE_ARN OIDC_PROVIDER_ARN OIDC_TOKEN

The package asks the metadata service at a fixed address, so the simulator stands in as its HTTP proxy; it asks STS by
HTTPS only, so this program lends the simulator a TLS front whose certificate it trusts. Prints what each provider led to
as one JSON object.
"""

import datetime
import ipaddress
import json
import os
import socket
import ssl
import sys
import tempfile
import threading

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

endpoint, key_id, secret, instance, start, end, role_arn, oidc_provider, oidc_token = sys.argv[1:]
home = tempfile.TemporaryDirectory()


def certificate():
    """A certificate for loopback with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "simulator")])
    now = datetime.datetime.now(datetime.timezone.utc)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = os.path.join(home.name, "front.pem")
    with open(path, "wb") as file:
        file.write(signed.public_bytes(serialization.Encoding.PEM))
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    return path


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def front(path):
    """Serves the simulator by TLS; returns the front's address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(plain):
        host, port = endpoint.split(":")
        with context.wrap_socket(plain, server_side=True) as client:
            with socket.create_connection((host, int(port))) as server:
                back = threading.Thread(target=copy, args=(server, client), daemon=True)
                back.start()
                copy(client, server)
                back.join()

    def accept():
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=serve, args=(plain,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return "127.0.0.1:%d" % listener.getsockname()[1]


pem = certificate()
# The package has no setting for a CA; it trusts what certifi names when it is imported.
certifi.where = lambda: pem

from alibabacloud_credentials.client import Client as CredentialsClient  # noqa: E402
from alibabacloud_credentials.http import HttpOptions  # noqa: E402
from alibabacloud_credentials.provider import (  # noqa: E402
    EcsRamRoleCredentialsProvider,
    OIDCRoleArnCredentialsProvider,
    RamRoleArnCredentialsProvider,
    StaticAKCredentialsProvider,
    URLCredentialsProvider,
)
from alibabacloud_rds20140815 import models  # noqa: E402
from alibabacloud_rds20140815.client import Client  # noqa: E402
from alibabacloud_tea_openapi.utils_models import Config  # noqa: E402
from darabonba.runtime import RuntimeOptions  # noqa: E402

token_file = os.path.join(home.name, "token")
with open(token_file, "w") as file:
    file.write(oidc_token)
sts = front(pem)
proxy = HttpOptions(proxy="http://" + endpoint)


def ecs(**options):
    return EcsRamRoleCredentialsProvider(
        http_options=proxy, async_update_enabled=False, **options
    )


providers = {
    "ecs_ram_role": ecs(),
    "ecs_ram_role_by_name": ecs(role_name=role_arn.rsplit("/", 1)[1], disable_imds_v1=True),
    "credentials_uri": URLCredentialsProvider(uri="http://" + endpoint + "/credentials"),
    "oidc_role_arn": OIDCRoleArnCredentialsProvider(
        role_arn=role_arn,
        oidc_provider_arn=oidc_provider,
        oidc_token_file_path=token_file,
        role_session_name="credentials",
        sts_endpoint=sts,
    ),
    "ram_role_arn": RamRoleArnCredentialsProvider(
        credentials_provider=StaticAKCredentialsProvider(
            access_key_id=key_id, access_key_secret=secret
        ),
        role_arn=role_arn,
        role_session_name="credentials",
        duration_seconds=900,
        sts_endpoint=sts,
    ),
}


def tasks(provider):
    """The numbers of the instance's tasks, listed with the provider's keys."""
    config = Config(
        credential=CredentialsClient(provider=provider),
        endpoint=endpoint,
        protocol="http",
        region_id="cn-hangzhou",
    )
    request = models.DescibeImportsFromDatabaseRequest(
        dbinstance_id=instance, engine="MySQL", start_time=start, end_time=end
    )
    body = Client(config).descibe_imports_from_database_with_options(request, RuntimeOptions()).body
    return [item.import_id for item in body.items.import_result_from_db]


def outcome(provider):
    keys = provider.get_credentials()
    return {
        "temporary": keys.get_access_key_id().startswith("STS."),
        "tasks": tasks(provider),
    }


print(json.dumps({name: outcome(provider) for name, provider in providers.items()}))
