package postgres

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// What a driver sends is the same whether its buffer is a lent one or not, and
// whatever it does not send at once.
func TestLentBuffersChangeNothingOfWhatIsSent(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var want, got bytes.Buffer
	plain, lent := pgproto3.NewFrontend(nil, &want), pgproto3.NewFrontend(nil, &got)
	buffer := &sendBuffer{}
	for i := range 500 {
		size := random.IntN(10) + random.IntN(2)*random.IntN(5000) + random.IntN(2)*random.IntN(50_000)
		message := &pgproto3.Query{String: strings.Repeat(string(rune('a'+i%26)), size)}
		if random.IntN(4) > 0 {
			buffer.min = random.IntN(2 * (size + 1))
			lent.Send(buffer)
		}
		plain.Send(message)
		lent.Send(message)
		if random.IntN(3) > 0 {
			if err := plain.Flush(); err != nil {
				t.Fatal(err)
			}
			if err := lent.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Fatalf("message %d of %d bytes was not sent as it should have been", i, size)
		}
	}
}
