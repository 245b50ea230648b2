package column

// Ids are often hexadecimal, and take half the room as such.

const hexDigits = "0123456789abcdef"

// notHex marks in hexValue what is no digit.
const notHex = 0xff

var hexValue = func() (values [256]byte) {
	for i := range values {
		values[i] = notHex
	}
	for v, digit := range []byte(hexDigits) {
		values[digit] = byte(v)
	}
	return values
}()

// packHex packs b[start:] in place when all of it is digits, and notes so in b[form].
func packHex(b []byte, form, start int) []byte {
	digits := b[start:]
	if len(digits) == 0 {
		return b
	}
	bad := byte(0)
	for _, d := range digits {
		bad |= hexValue[d] & 0xf0
	}
	if bad != 0 {
		return b
	}
	for i := range len(digits) / 2 {
		digits[i] = hexValue[digits[2*i]]<<4 | hexValue[digits[2*i+1]]
	}
	n := len(digits) / 2
	if len(digits)%2 == 1 {
		digits[n] = hexValue[digits[2*n]] << 4
		n++
	}
	b[form] |= bytesHex
	return b[:start+n]
}

// unpackHex returns n digits.
func unpackHex(b []byte, n int) []byte {
	out := make([]byte, n)
	for i := range n / 2 {
		out[2*i], out[2*i+1] = hexDigits[b[i]>>4], hexDigits[b[i]&15]
	}
	if n%2 == 1 {
		out[n-1] = hexDigits[b[n/2]>>4]
	}
	return out
}
