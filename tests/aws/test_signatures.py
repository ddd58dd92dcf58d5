"""Signatures of requests as they come over the wire, against botocore's for the same request."""
import dataclasses
import json
import re
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from conftest import REGION, client_at
from wire import serve

KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TOKEN = "FwoGZXIvYXdzE/+=abc=="
JSON = {"Content-Type": "application/x-amz-json-1.1"}
EMPTY_HASH = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@dataclasses.dataclass
class Case:
    """A request as one thinks of it: nothing is encoded yet."""

    method: str
    service: str
    path: str
    query: list[tuple[str, str | None]] = dataclasses.field(default_factory=list)
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: str = ""
    token: str = ""
    lower: bool = False  # percent escapes in small letters


def get(path: str, *query: tuple[str, str | None], **others) -> Case:
    return Case("GET", "s3", path, list(query), **others)


CASES = {
    "json": Case("POST", "ecs", "/", headers={**JSON, "X-Amz-Target": "AmazonEC2ContainerServiceV20141113.ListClusters"},
                 body="{}"),
    "json-token": Case("POST", "ecs", "/", headers={**JSON, "X-Amz-Target": "A.ListClusters"}, body='{"a":"ü"}',
                       token=TOKEN),
    "form": Case("POST", "cloudformation", "/", headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
                 body="Action=DescribeStacks&StackName=a%2Fb&Version=2010-05-15"),
    "query": Case("GET", "cloudformation", "/", [("Version", "2010-05-15"), ("Action", "DescribeStacks"),
                                                 ("StackName", "arn:aws:x/y z")]),
    "dynamodb": Case("POST", "dynamodb", "/", headers={"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target":
                                                       "DynamoDB_20120810.Query", "Accept-Encoding": "identity"},
                     body='{"TableName":"t"}'),
    "s3": get("/bkt/key.txt"),
    "s3-token": get("/bkt/key.txt", token=TOKEN),
    "s3-space": get("/bkt/a b.txt"),
    "s3-unicode": get("/bkt/ü/日本.txt"),
    "s3-equals": get("/bkt/dt=2024/x=1"),
    "s3-plus": get("/bkt/a+b"),
    "s3-specials": get("/bkt/!$&'()*,;:@"),
    "s3-percent": get("/bkt/%41%2F"),
    "s3-tilde": get("/bkt/a~b-_.c"),
    "s3-slashes": get("/bkt//a//b/"),
    "s3-dots": get("/bkt/a/../b/./c"),
    "s3-list": get("/bkt", ("prefix", "a/b"), ("list-type", "2"), ("delimiter", "/"), ("max-keys", "3")),
    "s3-valueless": get("/bkt", ("versioning", None)),
    "s3-empty-value": get("/bkt", ("uploads", "")),
    "s3-query": get("/bkt", ("list-type", "2"), ("prefix", "a b/ü&=+*~"), ("start-after", "x'()!")),
    "s3-continuation": get("/bkt", ("list-type", "2"), ("continuation-token", "1/abc+def==")),
    "query-order": get("/bkt", ("a-b", "1"), ("a", "2"), ("a1", "3"), ("A", "4"), ("a_", "5")),
    "query-duplicate": Case("GET", "execute-api", "/x", [("a", "2"), ("a", "1"), ("b", "")]),
    "s3-put": Case("PUT", "s3", "/bkt/k", headers={"Content-Type": "text/plain"}, body="hello world"),
    "s3-put-meta": Case("PUT", "s3", "/bkt/k", headers={
        "Content-Type": "text/plain", "X-Amz-Meta-Foo": "a   b", "x-amz-acl": "private",
        "x-amz-server-side-encryption": "AES256"}, body="hello"),
    "s3-put-unsigned": Case("PUT", "s3", "/bkt/k", headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, body="hello"),
    "s3-put-empty": Case("PUT", "s3", "/bkt/k", [("tagging", None)]),
    "s3-delete": Case("DELETE", "s3", "/bkt/k", [("versionId", "abc.DEF_1")]),
    "s3-head": Case("HEAD", "s3", "/bkt/k"),
    "lambda-arn": Case("POST", "lambda", "/2015-03-31/functions/arn:aws:lambda:us-east-1:1:function:f/invocations",
                       [("Qualifier", "$LATEST")], {"X-Amz-Invocation-Type": "RequestResponse"}, "{}"),
    "lambda-encoded": Case("GET", "lambda", "/2017-03-31/tags/arn%3Aaws%3Alambda"),
    "rest-space": Case("GET", "execute-api", "/a b/c"),
    "rest-dots": Case("GET", "execute-api", "/a/../b//c"),
    "route53": Case("GET", "route53", "/2013-04-01/hostedzone/Z1/rrset", [("type", "A"), ("name", "a.b."), ("maxitems", "1")]),
    "empty-header": get("/bkt/k", headers={"x-amz-foo": ""}),
    "lower-hex": get("/bkt/ü", lower=True),
    "route53-sorted": Case("GET", "route53", "/2013-04-01/hostedzone/Z1/rrset",
                           [("maxitems", "1"), ("name", "a.b."), ("type", "A")]),
    "lambda-name": Case("POST", "lambda", "/2015-03-31/functions/my-fn_1/invocations",
                        headers={"Content-Type": "application/json"}, body="{}"),
    "s3-list-hash": get("/bkt", ("delimiter", "/"), ("list-type", "2"), ("prefix", "a b/ü&=+*~"),
                        headers={"x-amz-content-sha256": EMPTY_HASH}),
    "s3-acl-hash": get("/bkt/k", ("acl", ""), headers={"x-amz-content-sha256": EMPTY_HASH}),
    "s3-put-hash-token": Case("PUT", "s3", "/bkt/a b+c=ü", headers={
        "Content-Type": "text/plain",
        "x-amz-content-sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"},
        body="hello", token="tok/en+=="),
    "query-slash": get("/bkt", ("continuation-token", "1/abc+def=="), ("list-type", "2"),
                       headers={"x-amz-content-sha256": EMPTY_HASH}),
    "wide-header": Case("POST", "ecs", "/", headers={**JSON, "X-Amz-Target": "x", "X-Amz-Foo": " b  c "}, body="{}"),
    "large": Case("PUT", "s3", "/bkt/k", headers={"Content-Type": "application/octet-stream"}, body="x" * 200000),
}


def wire_path(case: Case) -> str:
    path = urllib.parse.quote(case.path, safe="/~")
    return re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), path) if case.lower else path


def send(case: Case, home, presign: bool = False):
    """The request that arrives, or the URL that is printed."""
    query: dict[str, object] = {}
    for name, value in case.query:
        query[name] = [*query[name], value] if name in query else [value]
    model = {"service": case.service, "method": case.method, "path": wire_path(case), "query": query, "presign": presign,
             "headers": [f"{name}: {value}" for name, value in case.headers.items()]}
    with serve(lambda request: b"") as server:
        client = client_at(server.url, home).with_keys(*KEYS, case.token)
        output = client.bytes("rest", json.dumps(model), stdin=case.body.encode())
        return output.decode().strip() if presign else server.requests[0]


def logical_url(case: Case, host: str) -> str:
    query = "&".join(f"{urllib.parse.quote(name, safe='~')}={urllib.parse.quote(value or '', safe='~')}"
                     for name, value in case.query)
    return f"http://{host}{urllib.parse.quote(case.path, safe='/~')}" + (f"?{query}" if query else "")


def expected(case: Case, request, signed: list[str], region: str) -> str:
    """The signature that botocore makes over the logical request with the headers that were signed."""
    kind = botocore.auth.S3SigV4Auth if case.service == "s3" else botocore.auth.SigV4Auth
    signer = kind(botocore.credentials.Credentials(*KEYS, case.token or None), case.service, region)
    model = botocore.awsrequest.AWSRequest(method=case.method, url=logical_url(case, request.header("host")),
                                           data=case.body.encode() or None)
    for name in signed:
        if name != "host":
            model.headers[name] = request.header(name)
    model.context["timestamp"] = request.header("x-amz-date")
    canonical = signer.canonical_request(model)
    return signer.signature(signer.string_to_sign(model, canonical), model)


@pytest.mark.parametrize("name", CASES)
def test_the_signature_on_the_wire_is_botocores(name, tmp_path):
    case = CASES[name]
    request = send(case, tmp_path)
    match = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})",
                         request.header("authorization"))
    assert match
    signed = match[2].split(";")
    _key, _day, region, service, _end = match[1].split("/")

    assert match[3] == expected(case, request, signed, region)
    assert service == case.service
    assert request.target.split("?")[0] == wire_path(case)
    assert request.body == case.body.encode()
    assert "host" in signed
    assert all(header.lower() in signed for header in case.headers)
    assert all(key.lower() in signed for key, _ in request.headers if key.lower().startswith("x-amz-"))
    assert case.service != "s3" or request.header("x-amz-content-sha256")
    assert request.header("x-amz-security-token") == case.token


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.service == "s3" and not case.body
                                  and not case.headers and not case.lower])
def test_a_presigned_url_is_botocores(name, tmp_path):
    case = CASES[name]
    url = urllib.parse.urlsplit(send(case, tmp_path, presign=True))
    values = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
    signer = botocore.auth.S3SigV4QueryAuth(botocore.credentials.Credentials(*KEYS, case.token or None), "s3", REGION,
                                            expires=600)
    stamp = values["X-Amz-Date"]
    model = botocore.awsrequest.AWSRequest(method=case.method, url=logical_url(case, url.netloc))
    model.context["timestamp"] = stamp
    signer._modify_request_before_signing(model)
    canonical = signer.canonical_request(model)

    assert values["X-Amz-Signature"] == signer.signature(signer.string_to_sign(model, canonical), model)
    assert values["X-Amz-Expires"] == "600"
