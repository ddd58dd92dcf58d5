"""CloudWatch Logs of MiniStack with what it lacks of AWS: FilterLogEvents in pages and in both directions, prefixes of stream
names, and what PutLogEvents refuses."""
import time

from ministack.core.responses import error_response_json, json_response, new_uuid
from ministack.services import cloudwatch_logs

plain_filter = cloudwatch_logs._filter_log_events
plain_put = cloudwatch_logs._put_log_events
plain_create_stream = cloudwatch_logs._create_log_stream

PAGE_EVENTS = 10000
PAGE_BYTES = 1024 * 1024
BATCH_BYTES = 1024 * 1024
EVENT_BYTES = 256 * 1024
EVENT_COST = 26
DAY = 24 * 60 * 60 * 1000
HOUR = DAY // 24
OLDEST_BACKWARD = 1704067200000

rest: dict[str, list[dict]] = {}
"""What is still to come of an answer, by token."""


def refused(text: str):
    return error_response_json("InvalidParameterException", text, 400)


def wanted_events(group: str, data) -> list[dict]:
    since, until = data.get("startTime", 0), data.get("endTime")
    prefix, names = data.get("logStreamNamePrefix", ""), data.get("logStreamNames")
    found = []
    for name, stream in cloudwatch_logs._log_groups[group]["streams"].items():
        if name.startswith(prefix) and (not names or name in names):
            found += [{**event, "logStreamName": name} for event in stream["events"]
                      if event["timestamp"] >= since and (until is None or event["timestamp"] <= until)]
    found.sort(key=lambda event: (event["timestamp"], event["ingestionTime"]))
    return found if data.get("startFromHead", True) else found[::-1]


def page_length(events: list[dict], limit: int) -> int:
    size = 0
    for number, event in enumerate(events[:limit]):
        size += len(event["message"].encode()) + EVENT_COST
        if number and size > PAGE_BYTES:
            return number
    return min(len(events), limit)


def filter_log_events(data):
    """As AWS does without a pattern; with one, as MiniStack does. The first page of several is empty, which AWS may do."""
    group = cloudwatch_logs._resolve_log_group_name(data)
    if data.get("filterPattern") or group not in cloudwatch_logs._log_groups:
        return plain_filter(data)
    if data.get("logStreamNames") and data.get("logStreamNamePrefix"):
        return refused("logStreamNames and logStreamNamePrefix exclude each other")
    if not data.get("startFromHead", True) and data.get("startTime", 0) < OLDEST_BACKWARD:
        return refused("startFromHead=false wants a startTime since 2024")

    token = data.get("nextToken")
    if token and token not in rest:
        return refused("The specified nextToken is invalid.")
    if token:
        events = rest.pop(token)
    else:
        with cloudwatch_logs._log_events_lock:
            events = wanted_events(group, data)
    length = page_length(events, min(data.get("limit", PAGE_EVENTS), PAGE_EVENTS))
    if not token and length < len(events):
        length = 0
    answer = {"events": events[:length], "searchedLogStreams": []}
    if length < len(events):
        answer["nextToken"] = new_uuid()
        rest[answer["nextToken"]] = events[length:]
    return json_response(answer)


def put_log_events(data):
    events = data.get("logEvents", [])
    times = [event["timestamp"] for event in events]
    sizes = [len(event["message"].encode()) + EVENT_COST for event in events]
    if not 1 <= len(events) <= PAGE_EVENTS or sum(sizes) > BATCH_BYTES:
        return refused(f"{len(events)} events of {sum(sizes)} bytes")
    if min(sizes) <= EVENT_COST or max(sizes) > EVENT_BYTES:
        return refused("an event is empty or too large")
    if times != sorted(times) or times[-1] - times[0] > DAY:
        return refused("events are not in order, or of more than a day")

    now = time.time() * 1000
    old = sum(1 for timestamp in times if timestamp < now - 14 * DAY)
    new = sum(1 for timestamp in times if timestamp > now + 2 * HOUR)
    kept = events[old:len(events) - new]
    status, headers, body = plain_put({**data, "logEvents": kept})
    if status == 200 and len(kept) < len(events):
        return json_response({"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": old} if old else {
            "tooNewLogEventStartIndex": len(events) - new}})
    return status, headers, body


def create_log_stream(data):
    if set(data.get("logStreamName", "")) & set(":*") or len(data.get("logStreamName", "")) > 512:
        return refused("a stream's name has 1 to 512 characters, none of : and *")
    return plain_create_stream(data)


cloudwatch_logs._filter_log_events = filter_log_events
cloudwatch_logs._put_log_events = put_log_events
cloudwatch_logs._create_log_stream = create_log_stream
