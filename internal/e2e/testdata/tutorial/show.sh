# API 查看所有指标
curl http://pushgateway:9091/api/v1/metrics
