package insight

import "github.com/embedcdp/cdp/internal/exactsum"

// Sum is an exactly rounded sum; see package exactsum.
type Sum = exactsum.Sum
