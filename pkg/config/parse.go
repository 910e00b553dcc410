package config

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Parse reads the content of a configuration file; name is what the faults
// call it. The error, if any, is Faults and holds every fault there is.
func Parse(name string, data []byte) (Config, error) {
	p := parser{file: name, config: Default(), values: map[string]*yaml.Node{}, bad: map[string]bool{}}
	if root := p.document(data); root != nil {
		p.root(root)
		p.relations()
	}
	if len(p.faults) > 0 {
		p.faults.sort()
		return Config{}, p.faults
	}
	return p.config, nil
}

type parser struct {
	file   string
	config Config
	values map[string]*yaml.Node // by path, of the keys that stand in the file
	bad    map[string]bool       // by path, those whose value could not be read
	faults Faults
}

func (p *parser) fault(line, column int, path, found, expected string) {
	p.faults = append(p.faults, Fault{p.file, line, column, path, found, expected})
}

func (p *parser) faultAt(n *yaml.Node, path, found, expected string) {
	p.fault(n.Line, n.Column, path, found, expected)
}

// document returns the root of the only document, or nil if there is nothing
// to read in it.
func (p *parser) document(data []byte) *yaml.Node {
	if flaw, ok := unreadable(data); ok {
		p.fault(flaw.line, flaw.column, "", flaw.found, flaw.expected)
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	if err := decoder.Decode(&first); err != nil {
		p.syntax(data, err)
		return nil
	}
	err := decoder.Decode(&second)
	if err == nil {
		p.faultAt(&second, "", "a second document", "one document, without --- below its first key")
	} else {
		p.syntax(data, err)
	}
	root := first.Content[0]
	if root.Tag == "!!null" && root.Value == "" && !odd(root) {
		return nil
	}
	return root
}

// syntax reports what the YAML parser stumbled on; the end of the file is no
// fault.
func (p *parser) syntax(data []byte, err error) {
	if errors.Is(err, io.EOF) {
		return
	}
	flaw := syntaxFlaw(data, err)
	p.fault(flaw.line, flaw.column, "", flaw.found, flaw.expected)
}

func (p *parser) root(root *yaml.Node) {
	names := sections()
	expected := "the sections " + alternatives(names)
	p.mapping(root, "", expected, func(name, value *yaml.Node) {
		if !slices.Contains(names, name.Value) {
			p.unknown(name, "", expected)
			return
		}
		p.section(name, value)
	})
}

func (p *parser) section(name, value *yaml.Node) {
	section := name.Value
	expected := "the keys " + alternatives(keysOf(section))
	if value.Tag == "!!null" && !odd(value) {
		p.faultAt(name, section, "nothing", expected+" below it; to have the defaults, leave out the section")
		return
	}
	p.mapping(value, section, expected, func(name, value *yaml.Node) {
		path := section + "." + name.Value
		k, known := byPath(path)
		if !known {
			p.unknown(name, section, expected)
			return
		}
		p.values[path] = value
		p.value(k, name, value)
	})
}

// keysOf returns the keys of a section.
func keysOf(section string) []string {
	var names []string
	for _, k := range keys {
		if k.section() == section {
			names = append(names, k.name())
		}
	}
	return names
}

// mapping calls each for every key of n that is there once and is written
// plainly, and reports the others.
func (p *parser) mapping(n *yaml.Node, path, expected string, each func(name, value *yaml.Node)) {
	if odd(n) {
		p.faultAt(n, path, describe(n, false), expected+", written out")
		return
	}
	if n.Kind != yaml.MappingNode {
		p.faultAt(n, path, describe(n, false), expected)
		return
	}
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		switch {
		case name.Tag == "!!merge":
			p.faultAt(name, path, "a merge key", expected+", written out")
		case name.Kind != yaml.ScalarNode || odd(name):
			p.faultAt(name, path, describe(name, false)+" as a key", expected)
		case seen[name.Value]:
			p.faultAt(name, join(path, name.Value), "the key a second time", "each key once")
		default:
			seen[name.Value] = true
			each(name, value)
		}
	}
}

func join(section, name string) string {
	if !printable(name) {
		name = quote(name)
	}
	return strings.TrimPrefix(section+"."+shorten(name), ".")
}

func (p *parser) value(k key, name, value *yaml.Node) {
	trial := p.config
	misfits := k.read(value, &trial)
	for _, m := range misfits {
		place := m.node
		if place == value && value.Tag == "!!null" && !odd(value) {
			place = name // an empty value has no place of its own
			m.expected += "; to have the default, leave out the key"
		}
		p.faultAt(place, k.path+m.item, describe(m.node, k.secret), m.expected)
	}
	if misfits != nil {
		p.bad[k.path] = true
		return
	}
	p.config = trial
}

// relations checks those between two values that could both be read.
func (p *parser) relations() {
	for _, r := range relations {
		if p.bad[r.a] || p.bad[r.b] {
			continue
		}
		if k, expected, broken := r.broken(p.config); broken {
			p.faultAt(p.values[k.path], k.path, k.write(p.config), expected)
		}
	}
}

func (p *parser) unknown(name *yaml.Node, section, expected string) {
	if hint := nearest(section, name.Value); hint != "" {
		expected = hint
	}
	p.faultAt(name, join(section, name.Value), "an unknown key", expected)
}
