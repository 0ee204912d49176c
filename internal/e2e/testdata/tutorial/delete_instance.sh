# 删除特定 job 和 instance 的指标
curl -X DELETE http://pushgateway:9091/metrics/job/batch_job/instance/node1
