//! `IstioOperator` (`install.istio.io` v1alpha1): of it, the mesh's settings.

use super::{FreeForm, MeshConfig};
use crate::{
    decode::{Decoder, Field},
    schema::message,
};

message! {
    /// How Istio is installed. Only `meshConfig` acts; the rest is for `istioctl`.
    IstioOperator {
        /// Settings of the whole mesh.
        mesh_config: Option<Box<MeshConfig>> = "meshConfig";
        /// Set of defaults.
        profile: FreeForm = "profile" => without_effect(INSTALLATION);
        /// Charts.
        install_package_path: FreeForm = "installPackagePath" => without_effect(INSTALLATION);
        /// Registry of images.
        hub: FreeForm = "hub" => without_effect(INSTALLATION);
        /// Tag of images.
        tag: FreeForm = "tag" => without_effect(INSTALLATION);
        /// End of names.
        resource_suffix: FreeForm = "resourceSuffix" => without_effect(INSTALLATION);
        /// Namespace of the control plane.
        namespace: FreeForm = "namespace" => without_effect(INSTALLATION);
        /// Revision of the control plane.
        revision: FreeForm = "revision" => without_effect(INSTALLATION);
        /// Whether it is the revision of namespaces that name none.
        default_revision: FreeForm = "defaultRevision" => without_effect(INSTALLATION);
        /// Older behaviour.
        compatibility_version: FreeForm = "compatibilityVersion" => without_effect(INSTALLATION);
        /// Parts of the control plane.
        components: FreeForm = "components" => without_effect(INSTALLATION);
        /// Further parts.
        addon_components: FreeForm = "addonComponents" => without_effect(INSTALLATION);
        /// Values of the charts.
        values: FreeForm = "values" => without_effect(INSTALLATION);
        /// The same, unchecked.
        unvalidated_values: FreeForm = "unvalidatedValues" => without_effect(INSTALLATION);
    }
    check check_values
}

const INSTALLATION: &str = "it belongs to the installation of Istio, which this mesh does without";

/// Settings of the mesh may also stand among the values of the charts, where nothing reads them here.
fn check_values(_: &IstioOperator, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    for name in ["values", "unvalidatedValues"] {
        if let Some(config) = field.child(name).and_then(|values| values.child("meshConfig")) {
            decoder.not_acted_on(&config, "move it to `spec.meshConfig`");
        }
    }
}
