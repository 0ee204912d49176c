// Arguments: push, pushAdd or delete; the gateway; the job; the grouping key as
// JSON; a metric and its value; perhaps gzip.
const { Gauge, Histogram, Pushgateway, Registry } = require('prom-client');

const [action, gateway, jobName, key, name, value, encoding] = process.argv.slice(2);
const registry = new Registry();
new Gauge({ name, help: 'A gauge.', registers: [registry] }).set(Number(value));
if (action === 'pushAdd') {
	new Histogram({ name: 'h', help: 'A histogram.', buckets: [1, 5], registers: [registry] }).observe(2);
}
const options = encoding ? { headers: { 'Content-Encoding': encoding } } : {};
new Pushgateway(gateway, options, registry)[action]({ jobName, groupings: JSON.parse(key) }).then(
	({ resp }) => console.log(resp.statusCode),
	(err) => {
		console.log(err.message);
		process.exitCode = 1;
	},
);
