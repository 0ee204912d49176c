#!/bin/bash
# push_metrics.sh - 批处理任务完成后推送指标
JOB_NAME="data_export"
INSTANCE="worker01"
PUSHGATEWAY="http://pushgateway:9091"
# 执行任务并计时
START_TIME=$(date +%s)
# ... 执行业务逻辑 ...
END_TIME=$(date +%s)
DURATION=$((END_TIME - START_TIME))
# 推送指标
cat <<EOF | curl --data-binary @- \
${PUSHGATEWAY}/metrics/job/${JOB_NAME}/instance/${INSTANCE}
# TYPE data_export_duration_seconds gauge
data_export_duration_seconds ${DURATION}
# TYPE data_export_records_total gauge
data_export_records_total 50000
# TYPE data_export_success gauge
data_export_success 1
# TYPE data_export_last_run_timestamp gauge
data_export_last_run_timestamp ${END_TIME}
EOF
