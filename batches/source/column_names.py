"""What columns are called in English, German, French, Spanish, Dutch and Italian. Data alone.

Each name is folded as `batches.source.mapping` folds a header: no case, no accents, only letters
and digits.
"""

COUNTRY = "country"
"""A country that belongs to every field of the row that needs one."""
POSTCODE = "postcode"
"""A postcode: part of an address where there is one, else a field of its own."""

_BY_MEANING = {
    "ref": """
        ref reference id key recordid recordref customerid customernumber externalid
        kundennummer kundennr kundenid referenz datensatz
        refclient idclient numeroclient
        referencia idcliente
        klantnummer klantid referentie
        riferimento codicecliente
    """,
    "email": """
        email mail emailaddress mailaddress emails emailadresse mailadresse
        courriel adresseemail adressemail adressecourriel adresseelectronique mel
        correo correoelectronico direcciondecorreo emailadres mailadres
        postaelettronica indirizzoemail indirizzomail
    """,
    "phone.number": """
        phone phonenumber phoneno telephone telephonenumber tel telno mobile mobilephone
        mobilenumber cell cellphone
        telefon telefonnummer telefonnr rufnummer handy handynummer mobil mobiltelefon mobilnummer
        numerodetelephone notelephone portable telefono numerodetelefono movil
        telefoon telefoonnummer mobiel mobielnummer
        numeroditelefono cellulare
    """,
    "phone.region": "phoneregion phonecountry phonecountrycode telefonland telefonregion",
    "vatNumber": """
        vat vatnumber vatno vatid vatidnumber vatregistrationnumber vatnr
        ust ustid ustidnr ustidnummer ustnr umsatzsteuerid umsatzsteueridnr uid uidnummer
        umsatzsteueridentifikationsnummer
        tva numerotva numerodetva notva ntva tvaintracommunautaire numerotvaintracommunautaire
        iva numeroiva numerodeiva nifiva
        btw btwnummer btwnr btwid
        partitaiva piva
    """,
    "iban": "iban ibancode ibannumber ibannummer numeroiban codeiban codigoiban codiceiban",
    "lei": "lei leicode leinumber leinummer legalentityidentifier codelei codigolei codicelei",
    "company.number": """
        companynumber companyno companynr companyregistrationnumber registrationnumber crn
        companieshousenumber companyregnumber regnumber
        handelsregisternummer registernummer firmennummer hrb
        siren numerosiren numerodentreprise
        numeroderegistro numeroregistromercantil
        kvk kvknummer handelsregister
        numeroregistroimprese numerorea
    """,
    "company.name": """
        company companyname organisation organization organisationname organizationname business
        firma firmenname unternehmen
        societe raisonsociale entreprise nomdelentreprise
        empresa razonsocial nombredelaempresa
        bedrijf bedrijfsnaam
        azienda ragionesociale societa
    """,
    "company.jurisdiction": "jurisdiction companycountry companyjurisdiction registercountry",
    "address.lines": """
        address addressline street streetaddress postaladdress
        strasse str strasseundhausnummer strassehausnummer anschrift adresse
        rue voie adressepostale ligneadresse
        calle direccion domicilio
        straat adres straatnaam straatenhuisnummer
        via indirizzo
    """,
    "address.locality": """
        city town locality
        ort stadt wohnort
        ville commune localite
        ciudad localidad poblacion municipio
        stad plaats woonplaats gemeente
        citta comune localita
    """,
    "address.administrativeArea": """
        state province county administrativearea stateprovince
        bundesland departement provincia regione provincie comunidadautonoma
    """,
    POSTCODE: """
        postcode postalcode zip zipcode postcodes
        plz postleitzahl
        codepostal cp
        codigopostal
        cap codicepostale codicediavviamentopostale
    """,
    COUNTRY: """
        country countrycode countryiso iso2 countryiso2
        land landcode landerkurzel landkurzel landercode laendercode staat landkennung
        pays codepays
        pais codigopais codigodepais
        paese nazione stato codicepaese
        landcodeiso
    """,
}

NAMES = {name: meaning for meaning, names in _BY_MEANING.items() for name in names.split()}
"""For each folded name of a column the target, COUNTRY or POSTCODE that it means."""
