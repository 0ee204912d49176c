# 删除所有指标
curl -X DELETE http://pushgateway:9091/api/v1/admin/wipe
