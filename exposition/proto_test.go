package exposition

import (
	"bufio"
	"bytes"
	"io"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
)

func TestProtobufIsWhatClientModelReads(t *testing.T) {
	t.Parallel()
	g := newGenerator(2)
	for range 2000 {
		key := testKey(t, "job", g.text()+"j", "x", g.text())
		f := g.family(pick(g, "m", "my.metric"), pick(g, allTypes...), "a", "b.c")
		metrics := appendProto(nil, &f, &key)
		written := appendProtoHeader(nil, &meta{name: f.Name, help: f.Help, unit: f.Unit, typ: f.Type}, len(metrics))
		written = append(written, metrics...)

		got := decodeProto(t, written)
		if want := familyToProto(f, &key); len(got) != 1 || !proto.Equal(got[0], want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
	}
}

// decodeProto reads a delimited exposition and fails on fields that
// client_model does not know.
func decodeProto(t testing.TB, written []byte) (families []*dto.MetricFamily) {
	t.Helper()
	r := bufio.NewReader(bytes.NewReader(written))
	for {
		if _, err := r.Peek(1); err == io.EOF {
			return families
		}
		f := &dto.MetricFamily{}
		if err := (protodelim.UnmarshalOptions{MaxSize: -1}).UnmarshalFrom(r, f); err != nil {
			t.Fatal(err)
		}
		if len(f.ProtoReflect().GetUnknown()) > 0 {
			t.Fatalf("unknown fields in %v", f)
		}
		families = append(families, f)
	}
}
