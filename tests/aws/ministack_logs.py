"""CloudWatch Logs of MiniStack with what FilterLogEvents lacks there: pages, ids of events, prefixes of stream names."""
import json

from ministack.core.responses import json_response
from ministack.services import cloudwatch_logs

plain_filter = cloudwatch_logs._filter_log_events
PAGE = 10000


def identified(group: str) -> list[dict]:
    """All events of a group, in the order of time; an id each that stays."""
    found = []
    for name, stream in cloudwatch_logs._log_groups[group]["streams"].items():
        for number, event in enumerate(stream["events"]):
            found.append({"eventId": f"{name}#{number}#{event['timestamp']}", **event, "logStreamName": name})
    return sorted(found, key=lambda event: (event["timestamp"], event.get("ingestionTime", 0)))


def filter_log_events(data):
    """As AWS does without a pattern; with one, as MiniStack does."""
    group = cloudwatch_logs._resolve_log_group_name(data)
    if data.get("filterPattern") or group not in cloudwatch_logs._log_groups:
        return plain_filter(data)

    since, until, prefix = data.get("startTime", 0), data.get("endTime"), data.get("logStreamNamePrefix", "")
    with cloudwatch_logs._log_events_lock:
        events = [event for event in identified(group) if event["timestamp"] >= since and
                  (until is None or event["timestamp"] <= until) and event["logStreamName"].startswith(prefix)]
    first = int(json.loads(data["nextToken"])) if data.get("nextToken") else 0
    limit = min(data.get("limit", PAGE), PAGE)
    answer = {"events": events[first:first + limit], "searchedLogStreams": []}
    if first + limit < len(events):
        answer["nextToken"] = json.dumps(first + limit)
    return json_response(answer)


cloudwatch_logs._filter_log_events = filter_log_events
