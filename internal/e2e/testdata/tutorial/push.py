from prometheus_client import CollectorRegistry, Gauge, push_to_gateway
import time

registry = CollectorRegistry()

# 定义指标
duration = Gauge('job_duration_seconds', 'Job duration', registry=registry)
records = Gauge('job_processed_records', 'Processed records', registry=registry)
errors = Gauge('job_errors_total', 'Total errors', registry=registry)
success = Gauge('job_success', 'Job success flag', registry=registry)
last_run = Gauge('job_last_run_timestamp', 'Last run timestamp', registry=registry)

# 执行任务
start = time.time()
try:
    # ... 业务逻辑 ...
    records.set(50000)
    errors.set(0)
    success.set(1)
except Exception as e:
    errors.set(1)
    success.set(0)
finally:
    duration.set(time.time() - start)
    last_run.set(time.time())

# 推送到 Pushgateway
push_to_gateway(
    'http://pushgateway:9091',
    job='data_export',
    registry=registry,
    grouping_key={'instance': 'worker01'}
)
