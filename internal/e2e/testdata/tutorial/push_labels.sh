# 推送到分组(多标签)
echo "task_duration_seconds 120" | \
curl --data-binary @- \
'http://pushgateway:9091/metrics/job/backup/instance/db01/type/full'
