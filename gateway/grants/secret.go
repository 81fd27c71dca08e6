package grants

import "log/slog"

// Secret is a PIN or code in clear, on its way between a screen and the rules. It shows nothing when it is printed or
// logged; Reveal gives it.
type Secret string

// Reveal gives the digits, for the one place that shows or judges them.
func (s Secret) Reveal() string { return string(s) }

// String hides the secret.
func (Secret) String() string { return "[secret]" }

// GoString hides the secret.
func (Secret) GoString() string { return "[secret]" }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// MarshalText hides the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }
