//! Protocol buffers as ONNX files use them: fields of a message are appended with their numbers.
//!
//! Source: the wire format of protocol buffers; field numbers and types of ONNX's `onnx.proto`.

/// A message under way.
#[derive(Default, Clone)]
pub(super) struct Message(pub(super) Vec<u8>);

impl Message {
    fn raw_varint(&mut self, mut x: u64) {
        while x >= 0x80 {
            self.0.push(x as u8 | 0x80);
            x >>= 7;
        }
        self.0.push(x as u8);
    }

    fn tag(&mut self, field: u64, wire: u64) {
        self.raw_varint(field << 3 | wire);
    }

    /// A whole number.
    pub(super) fn int(mut self, field: u64, x: i64) -> Self {
        self.tag(field, 0);
        self.raw_varint(x as u64);
        self
    }

    /// Whole numbers, packed.
    pub(super) fn ints(self, field: u64, all: impl IntoIterator<Item = i64>) -> Self {
        let mut packed = Self::default();
        all.into_iter().for_each(|x| packed.raw_varint(x as u64));
        self.bytes(field, &packed.0)
    }

    /// Bytes.
    pub(super) fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.tag(field, 2);
        self.raw_varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// Text.
    pub(super) fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    /// Texts.
    pub(super) fn texts<'t>(self, field: u64, all: impl IntoIterator<Item = &'t str>) -> Self {
        all.into_iter().fold(self, |m, t| m.text(field, t))
    }

    /// A message within.
    pub(super) fn message(self, field: u64, inner: &Message) -> Self {
        self.bytes(field, &inner.0)
    }

    /// Messages within.
    pub(super) fn messages<'m>(self, field: u64, all: impl IntoIterator<Item = &'m Message>) -> Self {
        all.into_iter().fold(self, |m, inner| m.message(field, inner))
    }
}

/// Types of a tensor's elements.
#[derive(Clone, Copy)]
pub(super) enum Element {
    Float = 1,
    Uint8 = 2,
    Int64 = 7,
    Double = 11,
}

/// A constant.
pub(super) fn tensor(name: &str, element: Element, dims: &[usize], bytes: &[u8]) -> Message {
    Message::default()
        .ints(1, dims.iter().map(|d| *d as i64))
        .int(2, element as i64)
        .text(8, name)
        .bytes(9, bytes)
}

/// A constant of doubles.
pub(super) fn doubles(name: &str, dims: &[usize], all: &[f64]) -> Message {
    let bytes: Vec<u8> = all.iter().flat_map(|x| x.to_le_bytes()).collect();
    tensor(name, Element::Double, dims, &bytes)
}

/// A constant of floats.
pub(super) fn floats(name: &str, dims: &[usize], all: &[f32]) -> Message {
    let bytes: Vec<u8> = all.iter().flat_map(|x| x.to_le_bytes()).collect();
    tensor(name, Element::Float, dims, &bytes)
}

/// A constant of whole numbers.
pub(super) fn whole(name: &str, dims: &[usize], all: &[i64]) -> Message {
    let bytes: Vec<u8> = all.iter().flat_map(|x| x.to_le_bytes()).collect();
    tensor(name, Element::Int64, dims, &bytes)
}

/// An input or output: `rows` stands for a number of rows that is not fixed.
pub(super) fn value(name: &str, element: Element, columns: Option<usize>) -> Message {
    let rows = Message::default().text(2, "rows");
    let columns = columns.map(|n| Message::default().int(1, n as i64));
    let shape = Message::default().message(1, &rows).messages(1, &columns);
    let kind = Message::default().int(1, element as i64).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &kind))
}

/// An attribute that is a whole number.
pub(super) fn int_attribute(name: &str, x: i64) -> Message {
    Message::default().text(1, name).int(3, x).int(20, 2)
}

/// An attribute that is a list of whole numbers.
pub(super) fn ints_attribute(name: &str, all: impl IntoIterator<Item = i64>) -> Message {
    Message::default().text(1, name).ints(8, all).int(20, 7)
}

/// An attribute that is a text.
pub(super) fn text_attribute(name: &str, text: &str) -> Message {
    Message::default().text(1, name).text(4, text).int(20, 3)
}

/// An attribute that is a list of texts.
pub(super) fn texts_attribute<'t>(name: &str, all: impl IntoIterator<Item = &'t str>) -> Message {
    Message::default().text(1, name).texts(9, all).int(20, 8)
}

/// An attribute that is a constant.
pub(super) fn tensor_attribute(name: &str, tensor: &Message) -> Message {
    Message::default().text(1, name).message(5, tensor).int(20, 4)
}
