package config

// profiles are the register maps that a meter may name.
func profiles() []string { return []string{"g4"} }
