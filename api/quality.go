package api

import (
	"strconv"
	"strings"
)

// quality reads the weight from the parameters of an element of an Accept
// header. Without parameters it is 1; anything but a weight is not ok.
func quality(params string) (float64, bool) {
	params = strings.ReplaceAll(strings.TrimSpace(params), " ", "")
	if params == "" {
		return 1, true
	}
	value, ok := strings.CutPrefix(strings.ToLower(params), "q=")
	if !ok {
		return 0, false
	}
	q, err := strconv.ParseFloat(value, 64)
	return q, err == nil && q >= 0 && q <= 1
}
