# Arguments: push, pushadd or delete; the gateway; the job; the grouping key as
# JSON; a metric and its value.
import json
import sys

from prometheus_client import CollectorRegistry, Gauge, Histogram, delete_from_gateway, push_to_gateway, pushadd_to_gateway

action, gateway, job, key, metric, value = sys.argv[1:]
key = json.loads(key)
registry = CollectorRegistry()
if action == "delete":
    delete_from_gateway(gateway, job=job, grouping_key=key)
    sys.exit()
Gauge(metric, "A gauge.", registry=registry).set(float(value))
if action == "pushadd":
    h = Histogram("h", "A histogram.", buckets=[1, 5], registry=registry)
    h.observe(2)
{"push": push_to_gateway, "pushadd": pushadd_to_gateway}[action](gateway, job=job, registry=registry, grouping_key=key)
