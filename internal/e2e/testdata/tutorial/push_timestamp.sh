# 带时间戳推送(不推荐,使用 Pushgateway 的抓取时间更好)
echo "batch_duration 42 1609459200000" | \
curl --data-binary @- \
http://pushgateway:9091/metrics/job/batch
