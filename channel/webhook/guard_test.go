package webhook

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// The check must let the internet through, on any port.
func TestPublicAddressesPass(t *testing.T) {
	for network, address := range map[string]string{"tcp4": "8.8.8.8:443", "tcp6": "[2606:4700:4700::1111]:8443"} {
		require.NoError(t, newGuard().Safe(network, address, nil), address)
	}
}

// A proxy would make the connection in our place, past the check.
func TestNoProxy(t *testing.T) {
	for _, allowPrivate := range []bool{false, true} {
		require.Nil(t, newClient(allowPrivate).Transport.(*http.Transport).Proxy)
	}
}
