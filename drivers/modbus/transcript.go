package modbus

type Transcript struct{}

func (p *Profile) readTranscripts(t *text, f fields) {}
