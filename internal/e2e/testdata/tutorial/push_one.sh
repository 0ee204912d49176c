# 推送单个指标
echo "batch_job_duration_seconds 42.5" | \
curl --data-binary @- \
http://pushgateway:9091/metrics/job/batch_job/instance/node1
