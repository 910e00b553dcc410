package config

import (
	"reflect"
	"slices"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/etcd-watchdog/etcd-watchdog/configs"
)

func TestSampleParsesToTheDefaults(t *testing.T) {
	got, err := Parse("etcd-watchdog.yaml", configs.Sample)
	if err != nil {
		t.Fatalf("the sample has faults:\n%v", err)
	}
	if want := Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("the sample does not parse to the defaults\n got %+v\nwant %+v", got, want)
	}
}

func TestSampleNamesEveryKeyInTheOrderOfTheTable(t *testing.T) {
	var document yaml.Node
	if err := yaml.Unmarshal(configs.Sample, &document); err != nil {
		t.Fatal(err)
	}
	var got, want []string
	root := document.Content[0].Content
	for i := 0; i < len(root); i += 2 {
		section := root[i+1].Content
		for j := 0; j < len(section); j += 2 {
			got = append(got, root[i].Value+"."+section[j].Value)
		}
	}
	for _, k := range keys {
		want = append(want, k.path)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the sample and the table have different keys, or another order\nsample %q\n table %q", got, want)
	}
}
