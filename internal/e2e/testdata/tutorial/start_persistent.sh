pushgateway --persistence.file=/data/pushgateway.dat
