//! A classifier with calibrated probabilities, a threshold, or both: they are saved and loaded with it.

use super::Calibration;
use lyceum_core::{Error, Model, Prediction, Result, RowPredictor, Table};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The file beside the model's own within its folder.
const FILE: &str = "calibration.json";

/// What is learnt on top of a classifier.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Applied to its probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Probability of the second of two classes from which a row counts as of it; none: half.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

/// A classifier with what was learnt on top of it.
pub struct CalibratedModel {
    model: Box<dyn Model>,
    /// What was learnt on top of it.
    pub decision: Decision,
}

impl Decision {
    /// What is saved in a folder; none where nothing is.
    ///
    /// # Errors
    /// A file that is not such a decision.
    pub fn load(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(&path, "read", e)),
        };
        let own: Self =
            serde_json::from_str(&text).map_err(|e| Error::corrupt(e.to_string()).in_file(&path))?;
        let sound = match &own.calibration {
            None => true,
            Some(Calibration::Sigmoid(of)) => {
                !of.is_empty() && of.iter().all(|c| c.a.is_finite() && c.b.is_finite())
            }
            Some(Calibration::Isotonic(of)) => !of.is_empty() && of.iter().all(super::Isotonic::is_sound),
            Some(Calibration::Temperature(t)) => t.t > 0.0 && t.t.is_finite(),
        };
        if sound {
            return Ok(Some(own));
        }
        Err(Error::corrupt("the calibration is none").in_file(&path))
    }

    /// Takes away what an earlier model in this folder was saved with.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn clear(folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&path, "remove", e)),
            _ => Ok(()),
        }
    }
}

impl CalibratedModel {
    /// A classifier with what was learnt on top of it.
    pub fn new(model: Box<dyn Model>, decision: Decision) -> Self {
        Self { model, decision }
    }

    /// The classifier alone.
    pub fn model(&self) -> &dyn Model {
        &*self.model
    }
}

impl Model for CalibratedModel {
    fn predict(&self, x: &Table) -> Result<Prediction> {
        match (self.model.predict(x)?, &self.decision.calibration) {
            (Prediction::Probabilities { mut p, classes }, Some(calibration)) => {
                if calibration.classes().is_some_and(|own| own != classes) {
                    return Err(Error::corrupt(format!("the calibration is not one of {classes} classes")));
                }
                calibration.apply(&mut p, classes);
                Ok(Prediction::Probabilities { p, classes })
            }
            (other, _) => Ok(other),
        }
    }

    fn save(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_vec_pretty(&self.decision).map_err(|e| Error::internal(e.to_string()))?;
        self.model.save(folder)?;
        lyceum_core::write_atomic(folder.join(FILE), &json)
    }

    fn row(&self) -> Option<Box<dyn RowPredictor + '_>> {
        let inner = self.model.row()?;
        match &self.decision.calibration {
            None => Some(inner),
            Some(calibration) => Some(Box::new(OneRow { inner, calibration })),
        }
    }

    fn importance(&self) -> Option<BTreeMap<String, f64>> {
        self.model.importance()
    }
}

struct OneRow<'a> {
    inner: Box<dyn RowPredictor + 'a>,
    calibration: &'a Calibration,
}

impl RowPredictor for OneRow<'_> {
    fn predict(&mut self, row: &[f64], out: &mut [f64]) {
        self.inner.predict(row, out);
        if let [yes] = out {
            let mut both = [1.0 - *yes, *yes];
            self.calibration.apply(&mut both, 2);
            *yes = both[1];
        } else {
            self.calibration.apply(out, out.len());
        }
    }
}
