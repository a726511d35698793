//! Inputs held against a JSON Schema before a runnable sees them: types, required keys, items. Faults are told as
//! LangServe's clients know them (pydantic's `type`, `loc`, `msg`, `input`); numbers in text are taken for numbers.

use serde_json::{Value as Json, json};

/// The input, with numbers read from text where the schema wants numbers; or every fault.
pub(crate) fn check(schema: &Json, input: Json) -> Result<Json, Vec<Json>> {
    let mut faults = Vec::new();
    let input = Check { root: schema, faults: &mut faults }.value(schema, input, &mut Vec::new());
    if faults.is_empty() { Ok(input) } else { Err(faults) }
}

/// A key that is missing.
pub(crate) fn missing(loc: &[Json], input: &Json) -> Json {
    json!({ "type": "missing", "loc": loc, "msg": "Field required", "input": input })
}

struct Check<'a> {
    root: &'a Json,
    faults: &'a mut Vec<Json>,
}

impl<'a> Check<'a> {
    fn value(&mut self, schema: &'a Json, input: Json, loc: &mut Vec<Json>) -> Json {
        let schema = self.resolved(schema);
        if let Some(options) = schema.get("anyOf").or(schema.get("oneOf")).and_then(Json::as_array) {
            return self.any_of(options, input, loc);
        }
        match schema.get("type").and_then(Json::as_str) {
            Some("integer") => self.integer(input, loc),
            Some("number") => self.number(input, loc),
            Some("string") if !input.is_string() => {
                self.fault("string_type", "Input should be a valid string", input, loc)
            }
            Some("boolean") if !input.is_boolean() => {
                self.fault("bool_type", "Input should be a valid boolean", input, loc)
            }
            Some("array") => self.array(schema, input, loc),
            Some("object") => self.object(schema, input, loc),
            _ => input,
        }
    }

    /// What a reference within the document means.
    fn resolved(&self, mut schema: &'a Json) -> &'a Json {
        for _ in 0..16 {
            let Some(to) = schema.get("$ref").and_then(Json::as_str) else { return schema };
            let Some(found) = to.strip_prefix('#').and_then(|p| self.root.pointer(p)) else { return schema };
            schema = found;
        }
        schema
    }

    fn any_of(&mut self, options: &'a [Json], input: Json, loc: &mut Vec<Json>) -> Json {
        let mut first = None;
        for option in options {
            let mut faults = Vec::new();
            let read = Check { root: self.root, faults: &mut faults }.value(option, input.clone(), loc);
            if faults.is_empty() {
                return read;
            }
            first.get_or_insert(faults);
        }
        self.faults.extend(first.unwrap_or_default());
        input
    }

    fn fault(&mut self, kind: &str, msg: &str, input: Json, loc: &[Json]) -> Json {
        self.faults.push(json!({ "type": kind, "loc": loc, "msg": msg, "input": input.clone() }));
        input
    }

    fn integer(&mut self, input: Json, loc: &[Json]) -> Json {
        match &input {
            Json::Number(n) if n.is_i64() || n.is_u64() => input,
            Json::Number(n) => match n.as_f64().filter(|x| x.fract() == 0.0 && x.abs() < 9e15) {
                Some(whole) => json!(whole as i64),
                None => {
                    let msg = "Input should be a valid integer, got a number with a fractional part";
                    self.fault("int_from_float", msg, input, loc)
                }
            },
            Json::String(text) => match text.trim().parse::<i64>() {
                Ok(n) => json!(n),
                Err(_) => {
                    let msg = "Input should be a valid integer, unable to parse string as an integer";
                    self.fault("int_parsing", msg, input, loc)
                }
            },
            _ => self.fault("int_type", "Input should be a valid integer", input, loc),
        }
    }

    fn number(&mut self, input: Json, loc: &[Json]) -> Json {
        match &input {
            Json::Number(_) => input,
            Json::String(text) => match text.trim().parse::<f64>().ok().filter(|x| x.is_finite()) {
                Some(x) => json!(x),
                None => {
                    let msg = "Input should be a valid number, unable to parse string as a number";
                    self.fault("float_parsing", msg, input, loc)
                }
            },
            _ => self.fault("float_type", "Input should be a valid number", input, loc),
        }
    }

    fn array(&mut self, schema: &'a Json, input: Json, loc: &mut Vec<Json>) -> Json {
        let Json::Array(items) = input else {
            return self.fault("list_type", "Input should be a valid list", input, loc);
        };
        let Some(of) = schema.get("items") else { return Json::Array(items) };
        let mut read = Vec::with_capacity(items.len());
        for (i, item) in items.into_iter().enumerate() {
            loc.push(json!(i));
            read.push(self.value(of, item, loc));
            loc.pop();
        }
        Json::Array(read)
    }

    fn object(&mut self, schema: &'a Json, input: Json, loc: &mut Vec<Json>) -> Json {
        let Json::Object(mut object) = input else {
            return self.fault("dict_type", "Input should be a valid dictionary", input, loc);
        };
        let properties = schema.get("properties").and_then(Json::as_object);
        let required = schema.get("required").and_then(Json::as_array);
        let required: Vec<&str> = required.into_iter().flatten().filter_map(Json::as_str).collect();
        let whole = Json::Object(object.clone());
        for (key, of) in properties.into_iter().flatten() {
            loc.push(json!(key));
            match object.get_mut(key) {
                Some(place) => *place = self.value(of, place.take(), loc),
                None if required.contains(&key.as_str()) => self.faults.push(missing(loc, &whole)),
                None => {}
            }
            loc.pop();
        }
        Json::Object(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_place() {
        let schema = json!({"$defs": {"St": {"type": "object", "required": ["a", "b"],
            "properties": {"a": {"type": "integer"}, "b": {"type": "string"}, "c": {"type": "array", "items": {"type": "number"}}}}},
            "$ref": "#/$defs/St"});
        assert_eq!(check(&schema, json!({"a": "3", "b": ""})).unwrap(), json!({"a": 3, "b": ""}));
        let faults = check(&schema, json!({"a": "q", "c": [1, "x"]})).unwrap_err();
        let short: Vec<_> = faults.iter().map(|f| (f["type"].as_str().unwrap(), f["loc"].clone())).collect();
        assert_eq!(
            short,
            [("int_parsing", json!(["a"])), ("missing", json!(["b"])), ("float_parsing", json!(["c", 1]))]
        );
        assert!(check(&json!(true), json!([1])).is_ok());
        let either = json!({"anyOf": [{"type": "string"}, {"type": "array"}]});
        assert!(check(&either, json!("a")).is_ok() && check(&either, json!(1)).is_err());
    }
}
