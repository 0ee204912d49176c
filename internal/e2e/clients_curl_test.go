package e2e

import (
	"strings"
	"testing"
)

// TestCurl drives three replicas with shell commands as people type them. URL
// stands for the next replica. What curl prints ends with the answer's code.
func TestCurl(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, "--web.enable-admin-api")
	const curl = "curl -sS -w '%{http_code}' "
	for _, tt := range []struct{ name, script, says, want string }{
		{
			name:   "a pipe",
			script: `echo "m 3.14" | ` + curl + `--data-binary @- URL/metrics/job/j`,
			says:   "200", want: "m{instance=\"\",job=\"j\"} 3.14" + jobJ,
		},
		{
			name:   "a here document",
			script: "cat <<EOF | " + curl + "--data-binary @- URL/metrics/job/j\n# TYPE m counter\nm{label=\"val1\"} 42\n# HELP n Just an example.\nn 1\nEOF",
			says:   "200", want: "m{instance=\"\",job=\"j\",label=\"val1\"} 42\nn{instance=\"\",job=\"j\"} 1" + jobJ,
		},
		{
			name:   "a string",
			script: curl + `--data-binary $'m 1\n' -X PUT URL/metrics/job/j`,
			says:   "200", want: "m{instance=\"\",job=\"j\"} 1" + jobJ,
		},
		{
			name:   "an upload in chunks",
			script: `for i in 1 2 3; do echo "m{i=\"$i\"} $i"; done | ` + curl + `-T - URL/metrics/job/j`,
			says:   "200", want: "m{i=\"1\",instance=\"\",job=\"j\"} 1\nm{i=\"2\",instance=\"\",job=\"j\"} 2\nm{i=\"3\",instance=\"\",job=\"j\"} 3" + jobJ,
		},
		{
			name:   "gzip",
			script: `echo "m 1" | gzip | ` + curl + `-H 'Content-Encoding: gzip' --data-binary @- URL/metrics/job/j`,
			says:   "200", want: "m{instance=\"\",job=\"j\"} 1" + jobJ,
		},
		{
			name:   "base64 made by the shell",
			script: `echo "m 1" | ` + curl + `--data-binary @- URL/metrics/job/j/path@base64/$(printf /var/tmp | base64 | tr +/ -_)`,
			says:   "200", want: "m{instance=\"\",job=\"j\",path=\"/var/tmp\"} 1\ngroup{instance=\"\",job=\"j\",path=\"/var/tmp\"} pushed",
		},
		{
			name:   "data loses its newlines",
			script: `echo "m 1" | ` + curl + `--data @- URL/metrics/job/j`,
			says:   "text format parsing error in line 1: unexpected end of input stream: the last line does not end with a newline; add one, and with curl use --data-binary, since --data removes newlines\n400",
		},
		{
			name:   "a redirect is followed with its body",
			script: `echo "m 1" | ` + curl + `-L --data-binary @- URL//metrics//job/j`,
			says:   "200", want: "m{instance=\"\",job=\"j\"} 1" + jobJ,
		},
		{
			name:   "a deletion",
			script: `echo "m 1" | ` + curl + `--data-binary @- URL/metrics/job/j && ` + curl + `-X DELETE URL/metrics/job/j`,
			says:   "200202",
		},
		{
			name:   "a wipe",
			script: `echo "m 1" | ` + curl + `--data-binary @- URL/metrics/job/j && ` + curl + `-X PUT URL/api/v1/admin/wipe`,
			says:   "200202",
		},
		{
			name:   "a compressed scrape",
			script: `echo "m 1" | ` + curl + `--data-binary @- URL/metrics/job/j && curl -sS --compressed URL/metrics | grep ^m`,
			says:   "200m{instance=\"\",job=\"j\"} 1\n", want: "m{instance=\"\",job=\"j\"} 1" + jobJ,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.wipe(t)
			script := "set -o pipefail; " + tt.script
			for strings.Contains(script, "URL") {
				script = strings.Replace(script, "URL", f.nextURL(), 1)
			}
			if got := runClient(t, "bash", "-c", script); got != tt.says {
				t.Errorf("curl prints %q, want %q", got, tt.says)
			}
			f.exposes(t, tt.want)
		})
	}
}
