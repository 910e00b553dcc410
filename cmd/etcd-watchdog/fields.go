package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// writeFields writes each field of an answer in a line, as etcdctl's -w fields
// does: "members[0].name" : "m0". The names are those of the JSON.
func writeFields(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text)) // which keeps the order
	d.UseNumber()
	var b strings.Builder
	if err := fieldsOf(&b, d, ""); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// fieldsOf writes the next value of the decoder under its name.
func fieldsOf(b *strings.Builder, d *json.Decoder, name string) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	delim, nested := token.(json.Delim)
	if !nested {
		value := fmt.Sprint(token)
		switch token.(type) {
		case string:
			value = fmt.Sprintf("%q", token)
		case nil:
			value = "null"
		}
		fmt.Fprintf(b, "%q : %s\n", name, value)
		return nil
	}
	for i := 0; d.More(); i++ {
		field := fmt.Sprintf("%s[%d]", name, i)
		if delim == '{' {
			key, err := d.Token()
			if err != nil {
				return err
			}
			field = strings.TrimPrefix(fmt.Sprintf("%s.%v", name, key), ".")
		}
		if err := fieldsOf(b, d, field); err != nil {
			return err
		}
	}
	_, err = d.Token() // the end of the object or list
	return err
}
