package demo_test

import (
	"os"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
