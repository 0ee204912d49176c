# 删除特定 job 的所有指标
curl -X DELETE http://pushgateway:9091/metrics/job/batch_job
