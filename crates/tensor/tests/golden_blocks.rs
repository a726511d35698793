//! Stored blocks widen to the numbers of the reference, and rounding agrees with it byte by byte.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use lyceum_tensor::safetensors::Safetensors;
use lyceum_tensor::{Format, dequantize, quantize};
use std::path::Path;

fn blocks() -> Safetensors {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural/gguf/blocks.safetensors");
    Safetensors::open(&path).unwrap()
}

#[test]
fn every_format_widens_as_the_reference() {
    let golden = blocks();
    let mut seen = 0;
    for format in Format::all().filter(|f| *f != Format::F32) {
        let bytes = golden.tensor(&format!("{format}.bytes")).unwrap();
        let expected = golden.f32(&format!("{format}.dequant")).unwrap();
        let mut got = vec![0.0; expected.len()];
        dequantize(format, bytes.bytes(), &mut got);
        for (i, (g, e)) in got.iter().zip(&expected).enumerate() {
            let same = (g - e).abs() <= 1e-6 * e.abs().max(1e-6) || (g.is_nan() && e.is_nan()) || g == e;
            assert!(same, "{format}[{i}]: {g} is not {e}");
        }
        seen += 1;
    }
    assert_eq!(seen, 17);
}

#[test]
fn rounding_agrees_with_the_reference() {
    let golden = blocks();
    let x = golden.f32("x").unwrap();
    for format in [Format::F16, Format::BF16, Format::Q8_0, Format::Q4_0, Format::Q4_1] {
        let expected = golden.tensor(&format!("{format}.bytes")).unwrap();
        let got = quantize(format, &x).unwrap();
        assert_eq!(got.as_slice(), &**expected.bytes(), "{format}");
    }
}

#[test]
fn nf4_agrees_with_the_reference() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural/nf4/expected.safetensors");
    let golden = Safetensors::open(&path).unwrap();
    let (x, scales) = (golden.f32("weight").unwrap(), golden.f32("absmax").unwrap());
    let packed = golden.tensor("packed").unwrap().bytes().to_vec();
    let blocks = scales.iter().zip(packed.chunks(32));
    let want: Vec<u8> =
        blocks.flat_map(|(s, q)| s.to_le_bytes().into_iter().chain(q.iter().copied())).collect();
    assert_eq!(quantize(Format::NF4, &x).unwrap(), want);
    let mut got = vec![0.0; x.len()];
    dequantize(Format::NF4, &want, &mut got);
    assert_eq!(got, golden.f32("dequant").unwrap());
    let zeros = quantize(Format::NF4, &[0.0; 64]).unwrap();
    dequantize(Format::NF4, &zeros, &mut got[..64]);
    assert_eq!(got[..64], [0.0; 64]);
    assert!(Format::all().all(|f| f != Format::NF4) && Format::from_gguf_id(u32::MAX).is_err());
}
