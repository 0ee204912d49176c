# 启动
pushgateway --web.listen-address=:9091
