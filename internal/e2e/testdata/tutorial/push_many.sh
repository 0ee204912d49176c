# 推送多个指标
cat <<EOF | curl --data-binary @- \
http://pushgateway:9091/metrics/job/daily_report/instance/cron01
# TYPE batch_job_duration_seconds gauge
batch_job_duration_seconds 42.5
# TYPE batch_job_processed_total gauge
batch_job_processed_total 1500
# TYPE batch_job_errors_total gauge
batch_job_errors_total 3
EOF
