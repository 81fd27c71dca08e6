package facilities

import (
	"fmt"
	"strings"

	qr "github.com/piglig/go-qr"
)

// quiet is the white around a QR code, in modules (ISO/IEC 18004, 9.1).
const quiet = 4

// QR draws a ticket's text as SVG, black on white whatever the page's theme is.
func QR(text string) (string, error) {
	// A screen has no scratches: more error correction would only make the modules smaller.
	code, err := qr.EncodeText(text, qr.Low)
	if err != nil {
		return "", fmt.Errorf("QR code of %d characters: %w", len(text), err)
	}
	n := code.Size()
	var path strings.Builder
	for y := range n {
		for x := 0; x < n; x++ {
			from := x
			for x < n && code.Module(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
			}
		}
	}
	side := n + 2*quiet
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" class="qr qr-l" role="img" aria-label="QR" viewBox="0 0 %d %d" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%dv%dh-%dz"/><path fill="#000" d="%s"/></svg>`,
		side, side, side, side, side, path.String()), nil
}
