package wire_test

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

type asyncapi struct {
	AsyncAPI string `yaml:"asyncapi"`
	Channels map[string]struct {
		Address  string                       `yaml:"address"`
		Messages map[string]map[string]string `yaml:"messages"`
	} `yaml:"channels"`
	Operations map[string]struct {
		Action  string            `yaml:"action"`
		Channel map[string]string `yaml:"channel"`
		Binding struct {
			MQTT struct {
				QoS    int   `yaml:"qos"`
				Retain *bool `yaml:"retain"`
			} `yaml:"mqtt"`
		} `yaml:"bindings"`
	} `yaml:"operations"`
	Components struct {
		Messages map[string]struct {
			Payload struct {
				Properties map[string]any `yaml:"properties"`
			} `yaml:"payload"`
		} `yaml:"messages"`
	} `yaml:"components"`
}

// The published description and the code are one contract.
func TestAsyncAPIDescribesTheWire(t *testing.T) {
	text, err := os.ReadFile("../../docs/asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc asyncapi
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	const id = "gw-1"
	fill := strings.NewReplacer("{gateway}", id, "{partition}", strings.Split(wire.EventsTopic(id), "/")[3])
	topics := map[string]string{
		"events": wire.EventsTopic(id), "pulse": wire.PulseTopic(id), "challenge": wire.ChallengeTopic(id),
		"answer": wire.AnswerTopic(id), "position": wire.PositionTopic(id), "state": wire.StateTopic(id), "command": wire.CommandTopic(id),
	}
	if len(doc.Channels) != len(topics) || len(doc.Operations) != len(topics) {
		t.Errorf("%d channels and %d operations, want %d", len(doc.Channels), len(doc.Operations), len(topics))
	}
	for name, topic := range topics {
		if got := fill.Replace(doc.Channels[name].Address); got != topic {
			t.Errorf("channel %s is %s, want %s", name, got, topic)
		}
	}
	for name, o := range doc.Operations {
		if o.Binding.MQTT.QoS != 1 || o.Binding.MQTT.Retain == nil || *o.Binding.MQTT.Retain {
			t.Errorf("operation %s: %+v, want QoS 1, never retained", name, o.Binding.MQTT)
		}
	}
	types := map[string]reflect.Type{
		"pulse": reflect.TypeFor[wire.Pulse](), "challenge": reflect.TypeFor[wire.Challenge](), "answer": reflect.TypeFor[wire.Answer](),
		"hint": reflect.TypeFor[wire.Hint](), "keyset": reflect.TypeFor[wire.KeySet](), "root": reflect.TypeFor[wire.Root](),
		"request": reflect.TypeFor[wire.CommandRequest](), "command": reflect.TypeFor[wire.Command](),
	}
	for name, typ := range types {
		got := slices.Sorted(maps.Keys(doc.Components.Messages[name].Payload.Properties))
		if want := slices.Sorted(slices.Values(jsonNames(typ))); !slices.Equal(got, want) {
			t.Errorf("message %s has %v, want %v", name, got, want)
		}
	}
}

func jsonNames(t reflect.Type) []string {
	var names []string
	for f := range t.Fields() {
		if f.Anonymous {
			names = append(names, jsonNames(f.Type)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}
